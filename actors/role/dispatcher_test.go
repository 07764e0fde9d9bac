package role

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// patientPool is a pool in which no mailbox takes too long, however slow the machine is.
func patientPool() *pool {
	p := newPool(smallCrowd)
	p.patient = time.Hour
	return p
}

func TestWhoAssistsRunsWhatItHasScheduled(t *testing.T) {
	p := patientPool()
	defer p.close()
	var ran []string
	p.assist(func() {
		p.Schedule(func() {
			ran = append(ran, "first")
			p.Schedule(func() { ran = append(ran, "second") })
		})
	})
	if len(ran) != 2 || p.workers != 0 {
		t.Errorf("%v ran on the calling goroutine, and %d workers were hired; expected both and none", ran, p.workers)
	}
}

func TestWhoAssistsLeavesTheRestToAWorker(t *testing.T) {
	p := newPool(smallCrowd)
	defer p.close()
	var n atomic.Int32
	done := make(chan struct{})
	var again func()
	again = func() {
		if n.Add(1) == 3*helpings {
			close(done)
			return
		}
		p.Schedule(again)
	}
	p.assist(func() { p.Schedule(again) })
	<-done
}

func TestAMailboxThatTakesLongDoesNotKeepTheOthers(t *testing.T) {
	p := patientPool()
	p.limit = 2
	defer p.close()
	begun, end := make(chan struct{}), make(chan struct{})
	var assisting sync.WaitGroup
	assisting.Go(func() {
		p.assist(func() {
			p.Schedule(func() {
				close(begun)
				<-end
			})
		})
	})
	<-begun
	first, second := make(chan struct{}), make(chan struct{})
	p.Schedule(func() { close(first) }) // it waits for the one that is at work
	p.mu.Lock()
	p.patient = -1 // it takes too long now
	p.mu.Unlock()
	p.Schedule(func() { close(second) })
	<-first
	<-second
	close(end)
	assisting.Wait()
}

func TestACrowdGetsAnotherWorker(t *testing.T) {
	p := newPool(0)
	p.limit = 2
	defer p.close()
	begun, end, ran := make(chan struct{}), make(chan struct{}), make(chan struct{})
	p.Schedule(func() {
		close(begun)
		<-end
	})
	<-begun
	p.Schedule(func() { close(ran) })
	<-ran
	close(end)
}
