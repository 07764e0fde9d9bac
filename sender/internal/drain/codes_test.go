package drain

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/kactor-go/kactor/protocol"
)

var update = flag.Bool("update", false, "write testdata anew")

// TestEveryErrorCode lets brokers answer a batch with every code that there is, and one that there is not: at the first try, when nothing was written before; at a later one, when an earlier one may have been; and at the last. What
// becomes of the batch is in testdata/codes.txt.
func TestEveryErrorCode(t *testing.T) {
	var got strings.Builder
	fmt.Fprintf(&got, "%-42s %-30s %-30s %s\n", "# code", "first try", "later try", "last try")
	codes := protocol.Codes()
	if len(codes) < 135 || len(meanings) != len(codes) {
		t.Fatalf("%d codes, %d meanings", len(codes), len(meanings))
	}
	for _, code := range append(codes, protocol.Code(len(codes)+100)) {
		first := becomes(t, code, nil)
		later := becomes(t, code, func(b *bench) {
			b.fail(errReset, true)
			b.later(time.Second)
		})
		last := becomes(t, code, func(b *bench) { b.c.cfg.Retries = 0 })
		fmt.Fprintf(&got, "%-42s %-30s %-30s %s\n", code.Name(), first, later, last)
	}
	const file = "testdata/codes.txt"
	if *update {
		if err := os.WriteFile(file, []byte(got.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	wants := strings.Split(string(want), "\n")
	for i, line := range strings.Split(got.String(), "\n") {
		if i >= len(wants) || line != wants[i] {
			t.Errorf("line %d is\n%s\nexpected is\n%s", i+1, line, wants[min(i, len(wants)-1)])
		}
	}
}

// becomes says what becomes of a batch of two records that is answered with a code, in the middle of a producer's life.
func becomes(t *testing.T, code protocol.Code, before func(b *bench)) string {
	b := begun(t, nil)
	o := b.add(0, 2)
	if before != nil {
		before(b)
	}
	b.answer(code, 1)
	for _, s := range b.told[1:] {
		switch {
		case s.Batch != o:
			t.Fatalf("%s: something else was told", code.Name())
		case s.Err == nil && s.Base >= 0:
			return "acknowledged"
		case s.Err == nil:
			return "acknowledged, offset unknown"
		case !errors.Is(s.Err, code):
			t.Fatalf("%s: told %v", code.Name(), s.Err)
		case errors.Is(s.Err, ErrUncertain):
			return "uncertain"
		default:
			return "rejected"
		}
	}
	asked := len(b.out.Refresh) > 0
	b.later(2 * time.Second)
	if len(b.sent) != 1 {
		t.Fatalf("%s: %d requests", code.Name(), len(b.sent))
	}
	again := b.sent[0].Batches[0]
	what := "sent again"
	switch {
	case again != o:
		what = "split"
	case again.Epoch != 0:
		what = "sent in a new epoch"
	}
	if asked {
		what += ", refresh"
	}
	if again.Maybe {
		what += ", in doubt"
	}
	return what
}
