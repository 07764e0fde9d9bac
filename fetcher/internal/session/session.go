// Package session has fetch sessions (KIP-227): what a broker believes a client fetches, so that a request need only tell what is different.
//
//	none --full request (epoch 0)--> open --incremental (epoch 1, 2, ...)--> open
//	  ^                                |
//	  +---------- any error -----------+
//
// A full request names the session before, if the broker may have it still: it closes that one.
package session

import (
	"math"
	"slices"

	"github.com/kactor-go/kactor/protocol/cluster"
	"github.com/kactor-go/kactor/protocol/wire"
)

// Want is one partition to be fetched.
type Want struct {
	cluster.TopicPartition
	ID          wire.UUID
	Offset      int64
	LogStart    int64
	LeaderEpoch int32
	LastEpoch   int32
	MaxBytes    int32
}

func compare(a, b Want) int {
	return a.Compare(b.TopicPartition)
}

// Session with one broker.
type Session struct {
	id    int32
	epoch int32
	told  []Want // what the broker believes, in order
}

// Ask is what a request says of its session.
type Ask struct {
	ID, Epoch int32
	Send      []Want // partitions to name
	Forget    []Want // partitions to take out
}

// Next makes the next request for want, which must be in order, and notes it as told.
func (s *Session) Next(want []Want) Ask {
	a := Ask{ID: s.id, Epoch: s.epoch}
	if s.epoch == 0 {
		a.Send = want
		s.told = slices.Clone(want)
		return a
	}
	i, k := 0, 0
	for i < len(want) || k < len(s.told) {
		switch {
		case k == len(s.told) || i < len(want) && compare(want[i], s.told[k]) < 0:
			a.Send = append(a.Send, want[i])
			i++
		case i == len(want) || compare(want[i], s.told[k]) > 0:
			a.Forget = append(a.Forget, s.told[k])
			k++
		default:
			if want[i].ID != s.told[k].ID { // created again: another partition
				a.Forget = append(a.Forget, s.told[k])
			}
			if want[i] != s.told[k] {
				a.Send = append(a.Send, want[i])
			}
			i++
			k++
		}
	}
	s.told = append(s.told[:0], want...)
	return a
}

// Change makes the next request for what was wanted last but for some of it, each of which is named by its place there. ok is false if the session does not allow it.
func (s *Session) Change(want []Want, changed []int) (a Ask, ok bool) {
	if s.epoch == 0 || len(want) != len(s.told) {
		return a, false
	}
	a = Ask{ID: s.id, Epoch: s.epoch, Send: make([]Want, 0, len(changed))}
	for _, i := range changed {
		if want[i] != s.told[i] {
			a.Send = append(a.Send, want[i])
			s.told[i] = want[i]
		}
	}
	return a, true
}

// Repeat makes the next request for what was wanted last, if the session allows it.
func (s *Session) Repeat() (a Ask, ok bool) { return Ask{ID: s.id, Epoch: s.epoch}, s.epoch > 0 }

// Answered notes a good answer. An id of 0 says that the broker has made no session: every request is a full one then.
func (s *Session) Answered(id int32) {
	if id == 0 {
		s.Lost()
		return
	}
	s.id = id
	if s.epoch == math.MaxInt32 {
		s.epoch = 0
	}
	s.epoch++
}

// Reset ends the session: the next request is a full one, which closes what the broker may have of it. If that has failed itself, the next does not name it: it may be what the broker stumbles over.
func (s *Session) Reset() {
	if s.epoch == 0 {
		s.id = 0
	}
	*s = Session{id: s.id}
}

// Lost ends a session that the broker has not any more.
func (s *Session) Lost() { *s = Session{} }

// Told gives what the broker knows of already, in order; the caller does not keep it.
func (s *Session) Told() []Want {
	if s.epoch == 0 {
		return nil
	}
	return s.told
}

// Open tells whether there is a session; its id is what a final request closes.
func (s *Session) Open() (id int32, open bool) { return s.id, s.epoch > 0 }
