package secret

import "strings"

// Stream hides values in a text that comes in pieces, also where a value is cut
// by them. What comes out, joined, is what [Registry.Mask] makes of the whole.
// It holds back no more than what may be the beginning of a value.
type Stream struct {
	registry *Registry
	masker   *masker
	at       int32
	// held is what was not given out yet; spans are what to hide in it.
	held  string
	spans []span
}

// Stream makes a stream. Values that the registry learns later are hidden from
// then on.
func (r *Registry) Stream() *Stream { return &Stream{registry: r} }

// Write takes the next piece and gives what may be shown.
func (s *Stream) Write(piece string) string {
	m := s.registry.values.masker.Load()
	if m == nil {
		return piece
	}
	if m != s.masker {
		piece = s.held + piece
		*s = Stream{registry: s.registry, masker: m}
	}
	text := s.held + piece
	for i := len(s.held); i < len(text); i++ {
		s.at = m.step(s.at, text[i])
		if n := int(m.nodes[s.at].found); n > 0 {
			s.spans = cover(s.spans, i+1-n, i+1)
		}
	}
	// Whatever is found later begins at safe or after it; only spans that reach
	// beyond can still grow.
	safe := len(text) - int(m.nodes[s.at].live)
	for i := len(s.spans) - 1; i >= 0 && s.spans[i].end > safe; i-- {
		safe = min(safe, s.spans[i].begin)
	}
	return s.give(text, safe)
}

// Flush gives what is held back: no more will come.
func (s *Stream) Flush() string {
	rest := s.give(s.held, len(s.held))
	*s = Stream{registry: s.registry}
	return rest
}

// give shows the text up to a position and holds back the rest.
func (s *Stream) give(text string, upTo int) string {
	done := 0
	for done < len(s.spans) && s.spans[done].end <= upTo {
		done++
	}
	out := text[:upTo]
	if done > 0 {
		var b strings.Builder
		from := 0
		for _, hide := range s.spans[:done] {
			b.WriteString(text[from:hide.begin])
			b.WriteString(Hidden)
			from = hide.end
		}
		b.WriteString(text[from:upTo])
		out = b.String()
	}
	// A clone, so that what is held does not keep a large text alive.
	s.held = strings.Clone(text[upTo:])
	left := s.spans[:0]
	for _, later := range s.spans[done:] {
		left = append(left, span{later.begin - upTo, later.end - upTo})
	}
	s.spans = left
	return out
}
