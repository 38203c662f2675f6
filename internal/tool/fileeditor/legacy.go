package fileeditor

import (
	"unicode"

	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/korean"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/traditionalchinese"
)

var (
	windows1252 = charset{"windows-1252", charmap.Windows1252}
	windows1251 = charset{"windows-1251", charmap.Windows1251}
	koi8r       = charset{"KOI8-R", charmap.KOI8R}
	shiftJIS    = charset{"Shift_JIS", japanese.ShiftJIS}
	eucJP       = charset{"EUC-JP", japanese.EUCJP}
	eucKR       = charset{"EUC-KR", korean.EUCKR}
	gb18030     = charset{"GB18030", simplifiedchinese.GB18030}
	big5        = charset{"Big5", traditionalchinese.Big5}
)

// legacy are the encodings from before Unicode that a file may be in, each with
// a test of how its text looks when the guess is right. A wrong guess shows
// wrong letters but loses nothing: only an encoding that gives back the same
// bytes is taken.
var legacy = []struct {
	charset charset
	fits    func(raw []byte, p profile) bool
}{
	{eucJP, func(_ []byte, p profile) bool { return p.kana >= 0.2 && p.halfwidth == 0 }},
	{shiftJIS, func(_ []byte, p profile) bool { return p.kana >= 0.2 && p.halfwidth < 0.1 }},
	{eucKR, func(_ []byte, p profile) bool { return p.hangul >= 0.9 }},
	{gb18030, func(raw []byte, p profile) bool { return p.han+p.punctuation >= 0.9 && commonPairs(raw, 0xd7) >= 0.8 }},
	{big5, func(raw []byte, p profile) bool { return p.han+p.punctuation >= 0.9 && commonLead(raw) >= 0.8 }},
	{windows1251, func(_ []byte, p profile) bool { return p.cyrillic >= 0.9 && p.lower >= 0.6 }},
	{koi8r, func(_ []byte, p profile) bool { return p.cyrillic >= 0.9 && p.lower >= 0.6 }},
}

// guessLegacy finds the encoding of text that is no Unicode. Western texts have
// lone accented letters between ASCII ones; the others have them in runs.
func guessLegacy(data []byte) charset {
	sample := data[:min(len(data), 64<<10)]
	if loneShare(sample) < 0.6 {
		for _, l := range legacy {
			text, err := l.charset.decode(sample)
			if err == nil && l.fits(sample, profileOf(text)) && l.charset.keeps(data) {
				return l.charset
			}
		}
	}
	if windows1252.keeps(data) {
		return windows1252
	}
	return latin1
}

// profile says which scripts the characters beyond ASCII are from, as shares.
type profile struct {
	kana, halfwidth, hangul, han, cyrillic, punctuation float64
	// lower is the share of lower case among the letters.
	lower float64
}

func profileOf(text string) profile {
	var p profile
	var all, lower float64
	for _, r := range text {
		if r < 0x80 {
			continue
		}
		all++
		switch {
		case r >= 0xff61 && r <= 0xff9f:
			p.halfwidth++
		case unicode.In(r, unicode.Hiragana, unicode.Katakana):
			p.kana++
		case unicode.Is(unicode.Hangul, r):
			p.hangul++
		case unicode.Is(unicode.Han, r):
			p.han++
		case unicode.Is(unicode.Cyrillic, r):
			p.cyrillic++
			if unicode.IsLower(r) {
				lower++
			}
		case r >= 0x3000 && r <= 0x303f, r >= 0xff00 && r <= 0xff60, r >= 0x2010 && r <= 0x203a:
			p.punctuation++
		}
	}
	if all == 0 {
		return profile{}
	}
	if p.cyrillic > 0 {
		p.lower = lower / p.cyrillic
	}
	for _, share := range []*float64{&p.kana, &p.halfwidth, &p.hangul, &p.han, &p.cyrillic, &p.punctuation} {
		*share /= all
	}
	return p
}

// loneShare gives the share of double bytes that stand alone: read as double
// bytes, East Asian and Cyrillic words are several in a row, while an accented
// letter and what follows it are one between ASCII letters.
func loneShare(data []byte) float64 {
	runs, lone, length := 0, 0, 0
	end := func() {
		if length > 0 {
			runs++
		}
		if length == 1 {
			lone++
		}
		length = 0
	}
	for i := 0; i < len(data); i++ {
		if data[i] < 0x80 {
			end()
			continue
		}
		length++
		if i+1 < len(data) && data[i+1] >= 0x40 {
			i++
		} else {
			end()
		}
	}
	end()
	return float64(lone) / float64(max(runs, 1))
}

// commonPairs gives the share of double bytes that are among the common signs
// of GB 2312: a lead from 0xa1 to last and a trail of 0xa1 or more.
func commonPairs(data []byte, last byte) float64 {
	return pairs(data, func(lead, trail byte) bool { return lead >= 0xa1 && lead <= last && trail >= 0xa1 })
}

// commonLead is the same for Big5.
func commonLead(data []byte) float64 {
	return pairs(data, func(lead, _ byte) bool { return lead >= 0xa1 && lead <= 0xc6 })
}

func pairs(data []byte, common func(lead, trail byte) bool) float64 {
	all, good := 0, 0
	for i := 0; i+1 < len(data); i++ {
		if data[i] < 0x80 {
			continue
		}
		all++
		if common(data[i], data[i+1]) {
			good++
		}
		i++
	}
	return float64(good) / float64(max(all, 1))
}
