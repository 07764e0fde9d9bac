// Package printable makes text that comes from outside - what brokers answer, names, members' ids, headers of records - fit to stand in an error, a line of a log or on a terminal. Whoever writes such text can end
// the line and begin another, move the cursor, turn the direction of reading, or send a megabyte.
//
//	text --Text--> valid UTF-8 without control characters, of a bounded size
//
// What an application is given as data stays as it was sent.
package printable

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// Most bytes of a text from outside stand in an error or a line of a log; MostLong in what tells of nothing else, as a diagnosis.
const (
	Most     = 256
	MostLong = 1024
)

// Text gives s for an error or a log: see Cut.
func Text(s string) string { return Cut(s, Most) }

// Cut gives s as valid UTF-8 of at most that many bytes. What is not UTF-8 becomes U+FFFD, and characters that do not print - those of control, of direction, those that end a line, spaces but the usual one - become escapes
// as Go writes them. The end of what is too long is replaced by how long it was: "…(30104 bytes)". A text that is like that already is given back as it is.
func Cut(s string, most int) string {
	if len(s) <= most && clean(s) {
		return s
	}
	var b strings.Builder
	end := 0 // how much of b there is room for beside the mark
	mark := "…(" + strconv.Itoa(len(s)) + " bytes)"
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		if strconv.IsPrint(r) {
			b.WriteRune(r)
		} else {
			quoted := strconv.QuoteRune(r)
			b.WriteString(quoted[1 : len(quoted)-1])
		}
		i += size
		if b.Len() <= most-len(mark) {
			end = b.Len()
		}
		if b.Len() > most {
			if len(mark) > most {
				return ""
			}
			return b.String()[:end] + mark
		}
	}
	return b.String()
}

// clean tells whether all of s prints.
func clean(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c < ' ' || c > '~' {
			return rest(s[i:])
		}
	}
	return true
}

func rest(s string) bool {
	for i, r := range s {
		if !strconv.IsPrint(r) {
			return false
		}
		if r == utf8.RuneError {
			if _, size := utf8.DecodeRuneInString(s[i:]); size == 1 {
				return false
			}
		}
	}
	return true
}

// Error gives an error with the text that Text makes of err's; it is err otherwise, and what is in it is found as before. An error whose text is fit already is given back.
func Error(err error) error {
	if err == nil {
		return nil
	}
	text := err.Error()
	if fit := Text(text); fit != text {
		return &told{fit, err}
	}
	return err
}

type told struct {
	text string
	err  error
}

func (t *told) Error() string { return t.text }
func (t *told) Unwrap() error { return t.err }
