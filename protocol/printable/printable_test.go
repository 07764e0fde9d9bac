package printable

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestText(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"", ""},
		{"orders/3", "orders/3"},
		{"größer 漢字 😀", "größer 漢字 😀"},
		{"\x1b[31mEVIL\x1b[0m\r\n2026 ERROR forged\a\x00", `\x1b[31mEVIL\x1b[0m\r\n2026 ERROR forged\a\x00`},
		{"a\x7fb\u0085c\u202ed\u2066e\u2028f\u2029g\u00a0h\ufeffi\U000e0041", `a\x7fb\u0085c\u202ed\u2066e\u2028f\u2029g\u00a0h\ufeffi\U000e0041`},
		{"\xff\xfea\xc3", "\ufffd\ufffda\ufffd"},
		{"\ufffd", "\ufffd"},
		{`C:\new`, `C:\new`},
		{strings.Repeat("a", Most), strings.Repeat("a", Most)},
		{strings.Repeat("a", Most+1), strings.Repeat("a", Most-len("…(257 bytes)")) + "…(257 bytes)"},
		{strings.Repeat("\n", Most/2), strings.Repeat(`\n`, Most/2)},
		{strings.Repeat("\n", Most/2+1), strings.Repeat(`\n`, (Most-len("…(129 bytes)"))/2) + "…(129 bytes)"},
	} {
		if got := Text(c.in); got != c.want {
			t.Errorf("%q becomes %q, expected %q", c.in, got, c.want)
		}
	}
	if got := Cut("much too long", 3); got != "" {
		t.Errorf("where not even the mark has room: %q", got)
	}
}

// check holds what comes out against what is promised.
func check(t *testing.T, in string, most int) {
	t.Helper()
	out := Cut(in, most)
	if len(out) > most {
		t.Fatalf("%q becomes %d bytes of at most %d", in, len(out), most)
	}
	if !utf8.ValidString(out) {
		t.Fatalf("%q becomes %q, which is not UTF-8", in, out)
	}
	for _, r := range out {
		if unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Co, unicode.Cs) {
			t.Fatalf("%q becomes %q, which has %U", in, out, r)
		}
	}
	if again := Cut(out, most); again != out {
		t.Fatalf("%q becomes %q, and that %q", in, out, again)
	}
	if strings.ContainsFunc(in, func(r rune) bool { return r < ' ' || r > '~' }) || len(in) > most {
		return
	}
	if out != in {
		t.Fatalf("%q becomes %q", in, out)
	}
}

func TestWhatComesOut(t *testing.T) {
	for seed := range uint64(20_000) {
		r := rand.New(rand.NewPCG(seed, 1))
		var b []byte
		for range r.IntN(40) {
			switch r.IntN(5) {
			case 0:
				b = append(b, byte(r.IntN(256)))
			case 1:
				b = utf8.AppendRune(b, rune(r.IntN(0x3000)))
			case 2:
				b = utf8.AppendRune(b, rune(r.IntN(unicode.MaxRune)))
			default:
				b = append(b, "abc 123/_"[r.IntN(9)])
			}
		}
		check(t, string(b), r.IntN(80))
	}
}

func FuzzText(f *testing.F) {
	f.Add("\x1b[31mEVIL\r\n\u202e\xff", 20)
	f.Add(strings.Repeat("é", 200), Most)
	f.Fuzz(func(t *testing.T, in string, most int) { check(t, in, max(0, most%4096)) })
}

func TestError(t *testing.T) {
	cause := errors.New("lookup \x1b[31mevil\n: no such host")
	err := Error(fmt.Errorf("dial: %w", cause))
	if got, want := err.Error(), `dial: lookup \x1b[31mevil\n: no such host`; got != want || !errors.Is(err, cause) {
		t.Errorf("%q, expected %q", got, want)
	}
	if fit := errors.New("refused"); Error(fit) != fit || Error(nil) != nil {
		t.Error("what is fit is changed")
	}
}

func BenchmarkText(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		Text("a-topic-of-usual-length")
	}
}
