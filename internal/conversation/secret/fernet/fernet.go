// Package fernet encrypts and decrypts Fernet tokens, the format in which
// OpenHands stores secrets: AES-128 in CBC mode, authenticated with HMAC-SHA256.
// It follows https://github.com/fernet/spec, version 0x80.
//
// A token's time is written and never looked at: what is stored does not expire.
// Tokens are known to whoever reads the disk; only their contents are hidden.
package fernet

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"strings"
	"time"
)

const (
	version = 0x80
	// headSize is what stands before the ciphertext: version, time, IV.
	headSize = 1 + 8 + aes.BlockSize
	macSize  = sha256.Size
)

// prefix is how every token begins, as long as the time fits in 34 bits.
const prefix = "gAAAAA"

// ErrInvalid says that a text is no token, or not one of this key. It does not
// say why.
var ErrInvalid = errors.New("not a token of this key")

// Key encrypts and decrypts. It is safe for use by several goroutines.
type Key struct {
	sign  []byte
	block cipher.Block
}

// FromSecret derives the key from a text of any length, as OpenHands does: its
// SHA-256 is the Fernet key.
func FromSecret(secret string) *Key {
	sum := sha256.Sum256([]byte(secret))
	return newKey(sum)
}

// newKey takes the two halves of a Fernet key: the first signs, the second
// encrypts.
func newKey(raw [32]byte) *Key {
	block, err := aes.NewCipher(raw[16:])
	if err != nil {
		panic(err) // 16 bytes are a key of AES-128
	}
	return &Key{sign: raw[:16], block: block}
}

// String hides the key.
func (k *Key) String() string { return "a Fernet key" }

// GoString hides it too.
func (k *Key) GoString() string { return k.String() }

// IsToken tells whether a text looks like a token of some key.
func IsToken(text string) bool { return strings.HasPrefix(text, prefix) }

// Encrypt makes a token of a text; never the same twice.
func (k *Key) Encrypt(text string) string {
	var iv [aes.BlockSize]byte
	_, _ = rand.Read(iv[:]) // it never fails
	return k.encrypt(text, time.Now(), iv)
}

func (k *Key) encrypt(text string, now time.Time, iv [aes.BlockSize]byte) string {
	pad := aes.BlockSize - len(text)%aes.BlockSize
	token := make([]byte, headSize+len(text)+pad, headSize+len(text)+pad+macSize)
	token[0] = version
	binary.BigEndian.PutUint64(token[1:], uint64(now.Unix()))
	copy(token[9:], iv[:])
	body := token[headSize:]
	for i := copy(body, text); i < len(body); i++ {
		body[i] = byte(pad)
	}
	cipher.NewCBCEncrypter(k.block, iv[:]).CryptBlocks(body, body)
	return base64.URLEncoding.EncodeToString(k.mac(token))
}

// mac appends what authenticates a token to it.
func (k *Key) mac(token []byte) []byte {
	h := hmac.New(sha256.New, k.sign)
	h.Write(token)
	return h.Sum(token)
}

// Decrypt gives the text of a token; the error is [ErrInvalid].
func (k *Key) Decrypt(token string) (string, error) {
	raw, err := base64.URLEncoding.Strict().DecodeString(token)
	if err != nil || len(raw) < headSize+aes.BlockSize+macSize || raw[0] != version {
		return "", ErrInvalid
	}
	signed := raw[:len(raw)-macSize]
	if !hmac.Equal(k.mac(signed[:len(signed):len(signed)])[len(signed):], raw[len(signed):]) {
		return "", ErrInvalid
	}
	body := signed[headSize:]
	if len(body)%aes.BlockSize != 0 {
		return "", ErrInvalid
	}
	cipher.NewCBCDecrypter(k.block, signed[9:headSize]).CryptBlocks(body, body)
	pad := int(body[len(body)-1])
	if pad < 1 || pad > aes.BlockSize {
		return "", ErrInvalid
	}
	for _, b := range body[len(body)-pad:] {
		if int(b) != pad {
			return "", ErrInvalid
		}
	}
	return string(body[:len(body)-pad]), nil
}
