package api

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/kactor-go/kactor/actors/role"
)

// clocked is a world with a clock that the test sets.
type clocked struct {
	role.World
	now time.Time
}

func (c *clocked) Now() time.Time { return c.now }

// lines keeps what is logged.
type lines struct{ told []string }

func (*lines) Enabled(context.Context, slog.Level) bool { return true }
func (l *lines) WithAttrs([]slog.Attr) slog.Handler     { return l }
func (l *lines) WithGroup(string) slog.Handler          { return l }
func (l *lines) Handle(_ context.Context, r slog.Record) error {
	line := ""
	r.Attrs(func(a slog.Attr) bool { line += fmt.Sprint(a, " "); return true })
	l.told = append(l.told, line)
	return nil
}

// panicking is an interceptor that panics all the time.
type panicking struct{}

func (panicking) OnConsume([]*Record) []*Record { panic("consume") }
func (panicking) OnCommit([]OffsetAndMetadata)  { panic("commit") }
func (panicking) OnSend(*Record) *Record        { panic("send") }
func (panicking) OnAcknowledgement(RecordMetadata, error) {
	panic("acknowledgement")
}

// TestInterceptorsThatPanicWithEveryRecord is told by a line for each method every ten seconds, which says how often there was none.
func TestInterceptorsThatPanicWithEveryRecord(t *testing.T) {
	w, log := &clocked{}, &lines{}
	s := &settings{logger: slog.New(log), panics: role.NewPanics(w), onConsume: []ConsumerInterceptor{panicking{}}, onProduce: []ProducerInterceptor{panicking{}}}
	c := &Consumer{set: s}
	for second := range 15 {
		w.now = time.Unix(1000+int64(second), 0)
		for range 100 {
			if got := c.consumed([]*Record{{}}); len(got) != 1 {
				t.Fatalf("%d records are left", len(got))
			}
			s.sending(Record{})
		}
		if second == 3 {
			c.committed(nil)
			s.acknowledged(RecordMetadata{}, nil)
		}
	}
	want := []string{"method=OnConsume err=consume untold=0 ", "method=OnSend err=send untold=0 ", "method=OnCommit err=commit untold=0 ", "method=OnAcknowledgement err=acknowledgement untold=0 ",
		"method=OnConsume err=consume untold=999 ", "method=OnSend err=send untold=999 "}
	if !slices.Equal(log.told, want) {
		t.Errorf("the log: %q", log.told)
	}
}
