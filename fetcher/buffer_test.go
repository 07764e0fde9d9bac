package fetcher

import (
	"context"
	"errors"
	"testing"

	"github.com/kactor-go/kactor/protocol/cluster"
	"github.com/kactor-go/kactor/protocol/compress"
)

// TestWhoWaitsForAPositionInVainIsForgotten: callers that give up leave nothing behind.
func TestWhoWaitsForAPositionInVainIsForgotten(t *testing.T) {
	b := newBench(t)
	b.seek(AtDefault)
	ended, end := context.WithCancel(t.Context())
	end()
	for range 3 {
		if _, err := b.buf.position(ended, tp); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	}
	if n := len(b.buf.byTP[tp].waiters); n != 0 {
		t.Errorf("%d waiters are kept of callers that have gone", n)
	}
}

// TestAChunkThatTheReaderHasLeftIsNotReadBeforeItIsGivenAgain has a loop over records that pauses its partition, polls, and gets another one: the first is its reader's no more, so that a seek, by whomever, may give its memory back.
func TestAChunkThatTheReaderHasLeftIsNotReadBeforeItIsGivenAgain(t *testing.T) {
	b := newBench(t)
	b.answer(compress.None, 2)
	other := cluster.TopicPartition{Topic: "u"}
	b.buf.mu.Lock()
	gen, _ := b.buf.assign(other, 0, -1)
	b.buf.mu.Unlock()
	b.answerOf(other, gen, compress.None, 1)
	pause := func(on bool) {
		b.buf.mu.Lock()
		b.buf.byTP[tp].pause(asked, on)
		b.buf.mu.Unlock()
	}
	k := b.take()
	b.read(k)
	pause(true)
	second := b.take()
	if second.TopicPartition != other {
		t.Fatalf("%v is given while it is paused", second.TopicPartition)
	}
	b.read(second)
	pause(false)
	b.end(k)
	b.read(second)
	b.end(second)
	if k = b.take(); k.TopicPartition != tp {
		t.Fatalf("at last came %v", k.TopicPartition)
	}
	if v := b.read(k); v.Offset != 1 {
		t.Errorf("it goes on at %d, and 1 was to come", v.Offset)
	}
	pause(true)
	if b.take() != nil {
		t.Fatal("something is given, and all is paused")
	}
	pause(false)
	b.end(k)
	b.seek(0)
	b.freed(2)
}
