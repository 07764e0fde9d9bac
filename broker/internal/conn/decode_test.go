package conn

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
	"github.com/kactor-go/kactor/protocol/wire"
)

// crowd is the metadata of so many partitions.
func crowd(partitions int) *msg.MetadataResponse {
	m := &msg.MetadataResponse{Topics: []msg.MetadataResponseMetadataResponseTopic{{Name: wire.Ptr("a"), Partitions: make([]msg.MetadataResponseMetadataResponsePartition, partitions)}}}
	for i := range m.Topics[0].Partitions {
		p := &m.Topics[0].Partitions[i]
		p.PartitionIndex, p.LeaderID, p.ReplicaNodes, p.IsrNodes = int32(i), 1, []int32{1, 2, 3}, []int32{1, 2, 3}
	}
	return m
}

// three brings the connection to three calls in flight, and gives their frames.
func (b *bench) three(change func(n int, m *Call)) (frames []protocol.RequestFrame) {
	b.t.Helper()
	b.idle()
	for n := range 3 {
		b.step(b.call(func(m *Call) { m.Owner = n; change(n, m) }))
		frames = append(frames, b.sent())
		b.step(&Flushed{Gen: b.c.gen})
	}
	return frames
}

// ended gives the owners of the calls that the last step has ended, each by its error.
func (b *bench) ended() (owners []int, errs []error) {
	for _, e := range b.out.Ends {
		owners, errs = append(owners, e.Call.Owner.(int)), append(errs, e.Err)
	}
	return owners, errs
}

// fetches makes it a connection that fetches, too.
func (b *bench) fetches() protocol.Request {
	resp := versions(9)
	resp.ApiKeys = append(resp.ApiKeys, msg.ApiVersionsResponseApiVersion{ApiKey: msg.FetchAPI, MaxVersion: 12})
	b.c.versions = protocol.RangesOf(resp)
	m := &msg.FetchRequest{}
	m.SetDefaults()
	return m
}

// What takes long to read is read beside the actor. What comes behind it keeps its place, and what is sent meanwhile is sent.
func TestALongAnswerIsReadBesideTheActor(t *testing.T) {
	b := newBench(t, nil)
	frames := b.three(func(int, *Call) {})
	out := b.answer(frames[0], crowd(100_000))
	d := out.Decode
	if d == nil || len(out.Ends) != 0 || out.Consumed != 0 || !out.Alive {
		t.Fatalf("%+v", out)
	}
	for _, f := range frames[1:] {
		if out := b.answer(f, &msg.MetadataResponse{}); len(out.Ends) != 0 || out.Consumed != 0 || out.Decode != nil {
			t.Fatalf("it was not its turn: %+v", out)
		}
	}
	b.step(b.call(func(m *Call) { m.Owner = 3 }))
	next := b.sent()
	out = b.step(d.Run())
	owners, errs := b.ended()
	if len(owners) != 3 || owners[0] != 0 || owners[1] != 1 || owners[2] != 2 || errors.Join(errs...) != nil {
		t.Fatalf("ended %v, %v", owners, errs)
	}
	if resp := out.Ends[0].Resp.(*msg.MetadataResponse); len(resp.Topics[0].Partitions) != 100_000 || out.Consumed <= len(out.Ends[0].Frame) {
		t.Errorf("%d partitions, %d bytes consumed", len(resp.Topics[0].Partitions), out.Consumed)
	}
	b.answer(next, &msg.MetadataResponse{})
	if owners, _ := b.ended(); len(owners) != 1 || owners[0] != 3 {
		t.Errorf("ended %v", owners)
	}
	if b.c.Pending() != 0 {
		t.Errorf("%d are left", b.c.Pending())
	}
}

// Two in a row are read one after the other.
func TestLongAnswersInARow(t *testing.T) {
	b := newBench(t, nil)
	frames := b.three(func(int, *Call) {})
	first := b.answer(frames[0], crowd(100_000)).Decode
	b.answer(frames[1], crowd(100_000))
	b.answer(frames[2], &msg.MetadataResponse{})
	second := b.step(first.Run()).Decode
	if owners, _ := b.ended(); len(owners) != 1 || owners[0] != 0 || second == nil {
		t.Fatalf("ended %v", owners)
	}
	b.step(first.Run()) // it is known
	if len(b.out.Ends) != 0 {
		t.Fatalf("ended %+v", b.out.Ends)
	}
	b.step(second.Run())
	if owners, _ := b.ended(); len(owners) != 2 || owners[0] != 1 || owners[1] != 2 {
		t.Fatalf("ended %v", owners)
	}
}

// Who has a deadline while answers are read does not wait longer. The broker has answered: the connection goes on.
func TestDeadlinesWhileAnAnswerIsRead(t *testing.T) {
	b := newBench(t, nil)
	frames := b.three(func(n int, m *Call) { m.Deadline = b.now.Add(time.Duration(n+1) * 2 * time.Second) })
	d := b.answer(frames[0], crowd(100_000)).Decode
	b.answer(frames[1], &msg.MetadataResponse{})
	for n := range 2 {
		out := b.later(b.c.Next().Sub(b.now))
		owners, errs := b.ended()
		if len(owners) != 1 || owners[0] != n || !errors.Is(errs[0], ErrTimeout) || out.CloseLink || out.Late {
			t.Fatalf("%+v", out)
		}
	}
	if next := b.c.Next(); !next.After(b.now) {
		t.Fatalf("at %s, %s is due still", b.now, next)
	}
	out := b.step(d.Run())
	if len(out.Ends) != 0 || out.CloseLink {
		t.Fatalf("%+v", out)
	}
	b.state(Ready)
	b.answer(frames[2], &msg.MetadataResponse{})
	if owners, errs := b.ended(); len(owners) != 1 || owners[0] != 2 || errs[0] != nil {
		t.Fatalf("ended %v, %v", owners, errs)
	}
}

// An answer that does not come is missed when what is before it was read, also one that was waited for in vain meanwhile.
func TestAnAnswerThatIsMissingBehindALongOne(t *testing.T) {
	b := newBench(t, nil)
	frames := b.three(func(n int, m *Call) { m.Deadline = b.now.Add(time.Duration(n+1) * 2 * time.Second) })
	d := b.answer(frames[0], crowd(100_000)).Decode
	for range 2 {
		b.later(b.c.Next().Sub(b.now))
	}
	b.step(d.Run())
	out := b.later(0)
	if !out.CloseLink || out.Down == nil {
		t.Fatalf("%+v", out)
	}
	b.state(Idle)
}

// The end of the link waits for its turn like an answer; the end of the connection does not.
func TestTheEndWhileAnAnswerIsRead(t *testing.T) {
	b := newBench(t, nil)
	frames := b.three(func(int, *Call) {})
	d := b.answer(frames[0], crowd(100_000)).Decode
	b.answer(frames[1], &msg.MetadataResponse{})
	if out := b.step(&Broken{Gen: b.c.gen, Err: io.EOF}); out.Down != nil {
		t.Fatalf("%+v", out)
	}
	out := b.step(d.Run())
	owners, errs := b.ended()
	if len(owners) != 3 || errs[0] != nil || errs[1] != nil || !errors.Is(errs[2], io.EOF) || out.Down == nil {
		t.Fatalf("ended %v, %v; %+v", owners, errs, out)
	}

	b = newBench(t, nil)
	frames = b.three(func(n int, m *Call) {})
	b.step(b.call(func(m *Call) { m.Owner, m.OneWay = 3, true }))
	d = b.answer(frames[0], crowd(100_000)).Decode
	b.step(&Broken{Gen: b.c.gen, Err: io.EOF})
	out = b.step(&Close{Deadline: b.now})
	if owners, errs := b.ended(); len(owners) != 4 || !errors.Is(errs[0], ErrClosed) || !out.Finished || len(out.Released) != 1 {
		t.Fatalf("ended %v, %v; %+v", owners, errs, out)
	}
	if out := b.step(d.Run()); len(out.Ends) != 0 || out.Consumed != 0 {
		t.Errorf("%+v", out)
	}
}

// What cannot be read ends the connection, whoever has found out.
func TestALongAnswerThatCannotBeRead(t *testing.T) {
	b := newBench(t, nil)
	frames := b.three(func(int, *Call) {})
	frame, err := protocol.AppendResponse(nil, crowd(100_000), frames[0].Version, frames[0].Header.CorrelationID)
	if err != nil {
		t.Fatal(err)
	}
	d := b.step(&Received{Gen: b.c.gen, Frame: frame[protocol.SizeLen : len(frame)-1]}).Decode
	b.answer(frames[1], &msg.MetadataResponse{})
	out := b.step(d.Run())
	if owners, errs := b.ended(); len(owners) != 3 || !errors.Is(errs[0], wire.ErrShort) || !errors.Is(errs[1], wire.ErrShort) || !out.CloseLink {
		t.Fatalf("ended %v, %v; %+v", owners, errs, out)
	}
}

// An answer whose bytes are records is no long one.
func TestManyRecordsAreNotRead(t *testing.T) {
	b := newBench(t, nil)
	b.idle()
	b.step(b.call(func(m *Call) { m.Req = b.fetches() }))
	f := b.sent()
	resp := &msg.FetchResponse{Responses: []msg.FetchResponseFetchableTopicResponse{{Partitions: []msg.FetchResponsePartitionData{{Records: make([]byte, 50<<20)}}}}}
	if out := b.answer(f, resp); out.Decode != nil || len(out.Ends) != 1 {
		t.Errorf("%d have ended", len(out.Ends))
	}
}

// BenchmarkAnswer is what a step costs that takes an answer, and what is done beside the actor.
func BenchmarkAnswer(b *testing.B) {
	aborted := &msg.FetchResponse{Responses: []msg.FetchResponseFetchableTopicResponse{{Partitions: []msg.FetchResponsePartitionData{{AbortedTransactions: make([]msg.FetchResponseAbortedTransaction, 500_000)}}}}}
	for _, k := range []struct {
		name string
		req  protocol.Request
		resp protocol.Response
	}{{"metadata, 3 partitions", &msg.MetadataRequest{AllowAutoTopicCreation: true}, crowd(3)}, {"metadata, 10,000 partitions", &msg.MetadataRequest{AllowAutoTopicCreation: true}, crowd(10_000)},
		{"metadata, 1,000,000 partitions", &msg.MetadataRequest{AllowAutoTopicCreation: true}, crowd(1_000_000)}, {"500,000 aborted transactions", nil, aborted}} {
		b.Run(k.name, func(b *testing.B) {
			t := newBench(&testing.T{}, nil)
			t.idle()
			var step, beside time.Duration
			for range b.N {
				t.step(t.call(func(m *Call) {
					if m.Req = k.req; m.Req == nil {
						m.Req = t.fetches()
					}
				}))
				f := t.sent()
				t.step(&Flushed{Gen: t.c.gen})
				frame, err := protocol.AppendResponse(nil, k.resp, f.Version, f.Header.CorrelationID)
				if err != nil {
					b.Fatal(err)
				}
				m := &Received{Gen: t.c.gen, Frame: frame[protocol.SizeLen:]}
				begun := time.Now()
				d := t.step(m).Decode
				step = max(step, time.Since(begun))
				if d == nil {
					continue
				}
				begun = time.Now()
				told := d.Run()
				beside = max(beside, time.Since(begun))
				begun = time.Now()
				t.step(told)
				step = max(step, time.Since(begun))
			}
			b.ReportMetric(float64(step.Microseconds())/1000, "ms/longest-step")
			b.ReportMetric(float64(beside.Microseconds())/1000, "ms/beside")
		})
	}
}

// An answer that is too large, or that cannot be read, is said to be that of the call whose it is; the others end for the same reason, and may be asked again as they are.
func TestWhoseAnswerCannotBeRead(t *testing.T) {
	for what, tell := range map[string]func(b *bench, first protocol.RequestFrame) *Effects{
		"too large": func(b *bench, _ protocol.RequestFrame) *Effects {
			return b.step(&Broken{Gen: b.c.gen, Err: fmt.Errorf("too large: %w", protocol.ErrFrameSize)})
		},
		"damaged": func(b *bench, first protocol.RequestFrame) *Effects {
			frame := binary.BigEndian.AppendUint32(nil, uint32(first.Header.CorrelationID))
			return b.step(&Received{Gen: b.c.gen, Frame: append(frame, 0)})
		},
	} {
		b := newBench(t, nil)
		frames := b.three(func(int, *Call) {})
		out := tell(b, frames[0])
		owners, errs := b.ended()
		if len(owners) != 3 || owners[0] != 0 || !out.Unread || out.Down == nil {
			t.Fatalf("%s: ended %v, %+v", what, owners, out)
		}
		for i, err := range errs {
			if err == nil || errors.Is(err, ErrUnread) != (i == 0) {
				t.Errorf("%s: call %d ends with %v", what, i, err)
			}
		}
	}
	b := newBench(t, nil)
	b.three(func(int, *Call) {})
	if out := b.step(&Broken{Gen: b.c.gen, Err: io.EOF}); out.Unread || errors.Is(out.Ends[0].Err, ErrUnread) {
		t.Errorf("a connection that has ended: %+v", out.Ends)
	}
}
