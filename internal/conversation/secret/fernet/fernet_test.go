package fernet

import (
	"crypto/aes"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// specKey is the key of the vectors in the specification.
func specKey(t *testing.T) *Key {
	raw, err := base64.URLEncoding.DecodeString("cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4=")
	if err != nil {
		t.Fatal(err)
	}
	return newKey([32]byte(raw))
}

// counting is the IV of the vectors: 0, 1, 2, …
func counting() (iv [aes.BlockSize]byte) {
	for i := range iv {
		iv[i] = byte(i)
	}
	return iv
}

// TestVectors holds the facts of the specification (the first) and of Python's
// implementation, with the key derived as OpenHands derives it.
func TestVectors(t *testing.T) {
	derived := FromSecret("correct horse battery staple")
	for _, c := range []struct {
		name, text, token string
		key               *Key
		now               int64
	}{
		{"the specification's", "hello", "gAAAAAAdwJ6wAAECAwQFBgcICQoLDA0ODy021cpGVWKZ_eEwCGM4BLLF_5CV9dOPmrhuVUPgJobwOz7JcbmrR64jVmpU4IwqDA==", specKey(t), 499162800},
		{"UTF-8", "pässwörd\n", "gAAAAABo53gAAAECAwQFBgcICQoLDA0OD1e4l3o4HyXveL39PjGmgvnW-cCkE7Z1a6CeZESTvaEl0lXDfQVizn4NhpWnZkDxtQ==", derived, 1760000000},
		{"empty", "", "gAAAAABo53gAAAECAwQFBgcICQoLDA0OD84mxnuUVFGSrMUKIqhpJnPa61UgvUhCDb190DtSBIrlKBbl0lfVaQrKCkEF5OxxJQ==", derived, 1760000000},
		{"a whole block", "0123456789abcdef", "gAAAAABo53gAAAECAwQFBgcICQoLDA0OD2mQF1Ff85NH_5UEIkM3f4dDGAjee4VepVVli2Ibm_PDo0fq0haBCnZDL73JqQwRxRxtG3kMli58pYJhoL4BXNs=", derived, 1760000000},
	} {
		if got := c.key.encrypt(c.text, time.Unix(c.now, 0), counting()); got != c.token {
			t.Errorf("%s: got the token %s", c.name, got)
		}
		if got, err := c.key.Decrypt(c.token); got != c.text || err != nil {
			t.Errorf("%s: got %q, %v", c.name, got, err)
		}
		if !IsToken(c.token) {
			t.Errorf("%s: not taken for a token", c.name)
		}
	}
}

func TestInvalid(t *testing.T) {
	key := specKey(t)
	good := key.encrypt("hello", time.Unix(499162800, 0), counting())
	raw, err := base64.URLEncoding.DecodeString(good)
	if err != nil {
		t.Fatal(err)
	}
	// signed signs whatever is put before the MAC.
	signed := func(change func([]byte) []byte) string {
		body := change(append([]byte(nil), raw[:len(raw)-macSize]...))
		return base64.URLEncoding.EncodeToString(key.mac(body))
	}
	for name, token := range map[string]string{
		"nothing":             "",
		"the prefix":          prefix,
		"another key's":       FromSecret("another").Encrypt("hello"),
		"no base64":           strings.Replace(good, "g", "%", 1),
		"standard base64":     base64.StdEncoding.EncodeToString(append([]byte{version, 0xff, 0xff, 0xff}, raw[4:]...)),
		"without padding":     strings.TrimRight(signed(func(b []byte) []byte { return b }), "="),
		"cut":                 good[:len(good)-4],
		"another version":     signed(func(b []byte) []byte { b[0] = 0x81; return b }),
		"no ciphertext":       signed(func(b []byte) []byte { return b[:headSize] }),
		"half a block":        signed(func(b []byte) []byte { return b[:len(b)-8] }),
		"the padding of none": signed(func(b []byte) []byte { b[len(b)-1] ^= 1; return b }),
		// Changing the IV changes the first block, and with it the padding.
		"another IV": signed(func(b []byte) []byte { b[headSize-1] ^= 0x80; return b }),
	} {
		if text, err := key.Decrypt(token); !errors.Is(err, ErrInvalid) || text != "" {
			t.Errorf("%s: got %q, %v", name, text, err)
		}
	}
	for i := range raw {
		broken := append([]byte(nil), raw...)
		broken[i] ^= 4
		if _, err := key.Decrypt(base64.URLEncoding.EncodeToString(broken)); err == nil {
			t.Errorf("byte %d may be changed", i)
		}
	}
}

func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		key := FromSecret(rapid.String().Draw(t, "secret"))
		text := rapid.String().Draw(t, "text")
		token := key.Encrypt(text)
		if got, err := key.Decrypt(token); got != text || err != nil {
			t.Fatalf("%q became %q, %v", text, got, err)
		}
		if key.Encrypt(text) == token {
			t.Fatal("the same token twice")
		}
	})
}

func TestKeyIsNotPrinted(t *testing.T) {
	key := FromSecret("hunter2")
	for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
		if got := fmt.Sprintf(format, key); got != "a Fernet key" {
			t.Errorf("%s gives %s", format, got)
		}
	}
}

func FuzzDecrypt(f *testing.F) {
	key := FromSecret("s")
	f.Add(key.Encrypt("hello"))
	f.Add("gAAAAA==")
	f.Fuzz(func(t *testing.T, token string) {
		text, err := key.Decrypt(token)
		if err != nil {
			return
		}
		// Only what the key made decrypts, and it decrypts to something that it
		// can make again.
		if again, err := key.Decrypt(key.Encrypt(text)); again != text || err != nil {
			t.Fatalf("%q became %q, %v", text, again, err)
		}
	})
}
