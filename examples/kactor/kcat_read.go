package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/kactor-go/kactor/api"
	"github.com/kactor-go/kactor/protocol/msg"
)

// offset is where to begin or to end: d the default, b the beginning, e the end, s what is stored, n a number, t a time in milliseconds.
type offset struct {
	kind byte
	n    int64
}

// offset reads one -o.
func (k *kcat) offset(text string) error {
	switch text {
	case "beginning":
		k.from = offset{kind: 'b'}
		return nil
	case "end":
		k.from = offset{kind: 'e'}
		return nil
	case "stored":
		k.from = offset{kind: 's'}
		return nil
	}
	to, kind := &k.from, byte('n')
	for prefix, o := range map[string]*offset{"s@": &k.from, "e@": &k.to} {
		if rest, ok := strings.CutPrefix(text, prefix); ok {
			text, to, kind = rest, o, 't'
		}
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || kind == 't' && n < 0 {
		return fmt.Errorf("-o %q: beginning, end, stored, a number, s@ or e@ and a time in milliseconds", text)
	}
	*to = offset{kind, n}
	return nil
}

// reading is -C and -G while they run.
type reading struct {
	*kcat
	consumer *api.Consumer
	w        *bufio.Writer
	leaders  map[api.TopicPartition]int32
	atEnd    map[api.TopicPartition]bool  // told, and nothing came since
	stops    map[api.TopicPartition]int64 // e@
	over     map[api.TopicPartition]bool  // has reached its stop
	n        int64
	line     []byte
}

// consume is -C and -G.
func (k *kcat) consume(ctx context.Context, client *api.Client) error {
	r := &reading{kcat: k, w: bufio.NewWriterSize(k.out, 1<<16), leaders: map[api.TopicPartition]int32{}, atEnd: map[api.TopicPartition]bool{}, stops: map[api.TopicPartition]int64{}, over: map[api.TopicPartition]bool{}}
	if k.format == "" {
		k.format = k.usual()
	}
	f, err := parseFormat(k.format, how{k.pack, k.null})
	if err != nil {
		return err
	}
	if r.consumer, err = client.Consumer(k.group); err != nil {
		return err
	}
	if k.mode == 'G' {
		err = r.join()
	} else {
		err = r.assign(ctx, client)
	}
	if err != nil {
		return err
	}
	err = errors.Join(r.read(ctx, f), r.w.Flush())
	return errors.Join(err, r.consumer.Close())
}

// join subscribes to the topics of -G and -t.
func (r *reading) join() error {
	r.notice("Waiting for group rebalance")
	told := func(what string) func(context.Context, []api.TopicPartition) {
		return func(_ context.Context, parts []api.TopicPartition) {
			var names []string
			for _, tp := range parts {
				names = append(names, fmt.Sprintf("%s [%d]", tp.Topic, tp.Partition))
			}
			r.notice("Group %s rebalanced (memberid %s): %s: %s", r.group, r.consumer.GroupMetadata().Member, what, strings.Join(names, ", "))
		}
	}
	r.consumer.Listen(api.RebalanceListener{OnAssigned: told("assigned"), OnRevoked: told("revoked"), OnLost: told("lost")})
	return r.consumer.Subscribe(slices.Concat(r.rest, r.topics)...)
}

// assign begins with the partitions of -t and -p where -o says.
func (r *reading) assign(ctx context.Context, client *api.Client) error {
	m, _, err := r.metadata(ctx, client, r.topics...)
	if err != nil {
		return err
	}
	var parts []api.TopicPartition
	for _, t := range m.Topics {
		name := ""
		if t.Name != nil {
			name = *t.Name
		}
		if t.ErrorCode != 0 {
			return fmt.Errorf("topic %s error: %s", name, complaint(t.ErrorCode))
		}
		if int(r.partition) >= len(t.Partitions) {
			return fmt.Errorf("topic %s (with partitions 0..%d): partition %d does not exist", name, len(t.Partitions)-1, r.partition)
		}
		slices.SortFunc(t.Partitions, func(a, b msg.MetadataResponseMetadataResponsePartition) int {
			return cmp.Compare(a.PartitionIndex, b.PartitionIndex)
		})
		for _, p := range t.Partitions {
			if tp := (api.TopicPartition{Topic: name, Partition: p.PartitionIndex}); r.partition < 0 || r.partition == tp.Partition {
				parts = append(parts, tp)
				r.leaders[tp] = p.LeaderID
			}
		}
	}
	return r.begin(ctx, parts)
}

// begin assigns partitions where -o says.
func (r *reading) begin(ctx context.Context, parts []api.TopicPartition) error {
	within, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	starts, err := r.consumer.BeginningOffsets(within, parts...)
	if err != nil {
		return err
	}
	ends, err := r.consumer.EndOffsets(within, parts...)
	if err != nil {
		return err
	}
	times := func(ms int64) (map[api.TopicPartition]api.OffsetAt, error) {
		ask := map[api.TopicPartition]time.Time{}
		for _, tp := range parts {
			ask[tp] = time.UnixMilli(ms)
		}
		return r.consumer.OffsetsForTimes(within, ask)
	}
	var from, to map[api.TopicPartition]api.OffsetAt
	if r.from.kind == 't' {
		if from, err = times(r.from.n); err != nil {
			return err
		}
	}
	if r.to.kind == 't' {
		if to, err = times(r.to.n); err != nil {
			return err
		}
	}
	for _, tp := range parts {
		if r.to.kind == 't' {
			r.stops[tp] = ends[tp]
			if at, ok := to[tp]; ok && at.Offset >= 0 {
				r.stops[tp] = at.Offset
			}
		}
		if r.from.kind == 's' {
			if err := r.consumer.IncrementalAssign(tp); err != nil {
				return err
			}
			continue
		}
		at := starts[tp]
		switch r.from.kind {
		case 'e':
			at = ends[tp]
		case 't':
			at = ends[tp]
			if o, ok := from[tp]; ok && o.Offset >= 0 {
				at = o.Offset
			}
		case 'n':
			at = r.from.n
			if at < 0 {
				at = max(starts[tp], ends[tp]+at)
			}
		}
		if at < starts[tp] {
			r.notice("%s [%d]: offset %d is not there any more: beginning at %d", tp.Topic, tp.Partition, at, starts[tp])
			at = starts[tp]
		}
		if at > ends[tp] {
			r.notice("%s [%d]: offset %d is behind the end: beginning at %d", tp.Topic, tp.Partition, at, ends[tp])
			at = ends[tp]
		}
		if err := r.consumer.AssignAt(at, tp); err != nil {
			return err
		}
	}
	return nil
}

// read prints records until there are enough, or with -e all partitions are at their end.
func (r *reading) read(ctx context.Context, f format) error {
	for {
		records, err := r.poll(ctx)
		for _, rec := range records {
			if done, err := r.print(rec, f); err != nil || done {
				return err
			}
		}
		switch {
		case ctx.Err() != nil: // interrupted: that is how one ends it
			return nil
		case err != nil:
			return err
		}
		if err := r.w.Flush(); err != nil {
			return err
		}
		if r.ended() {
			return nil
		}
	}
}

// poll waits for records, and not for long: a partition may have reached its end. With -E an error is told, and no more than that.
func (r *reading) poll(ctx context.Context) ([]*api.Record, error) {
	ctx, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
	defer cancel()
	var most []api.PollOption
	if r.count > 0 { // no more than that is taken, so that no more is committed
		most = append(most, api.MaxRecords(int(min(r.count-r.n, 500))))
	}
	records, err := r.consumer.Poll(ctx, most...)
	switch {
	case err == nil || ctx.Err() != nil:
		return records, nil
	case !r.goesOn:
		return records, err
	}
	fmt.Fprintf(r.errs, "%% ERROR: %v\n", err)
	<-ctx.Done() // there is time between two of them
	return records, nil
}

// print prints a record; done if it is the last one wanted.
func (r *reading) print(rec *api.Record, f format) (done bool, err error) {
	tp := rec.TopicPartition()
	delete(r.atEnd, tp)
	if stop, ok := r.stops[tp]; ok && rec.Offset >= stop {
		r.over[tp] = true
		return false, nil
	}
	if r.line, err = r.render(r.line[:0], rec, f); err != nil {
		return true, fmt.Errorf("failed to format message in %s [%d] at offset %d: %w: terminating", rec.Topic, rec.Partition, rec.Offset, err)
	}
	if _, err := r.w.Write(r.line); err != nil {
		return true, err
	}
	if r.unbuffered {
		if err := r.w.Flush(); err != nil {
			return true, err
		}
	}
	r.n++
	return r.n == r.count, nil
}

// ended tells which partitions have reached their end, and whether that is the end with -e or e@.
func (r *reading) ended() bool {
	parts := r.consumer.Assignment()
	slices.SortFunc(parts, func(a, b api.TopicPartition) int {
		return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
	})
	left := len(parts)
	for _, tp := range parts {
		w, ok := r.consumer.Watermarks(tp)
		at, known := r.position(tp)
		if stop, stops := r.stops[tp]; stops && known && (at >= stop || r.over[tp]) {
			r.over[tp] = true
			left--
			continue
		}
		switch {
		case r.atEnd[tp]:
			left--
		case ok && known && at >= min(w.High, w.LastStable):
			r.atEnd[tp] = true
			left--
			exiting := ""
			if left == 0 && r.exit {
				exiting = ": exiting"
			}
			r.notice("Reached end of topic %s [%d] at offset %d%s", tp.Topic, tp.Partition, at, exiting)
		}
	}
	if len(parts) == 0 {
		return false
	}
	if len(r.stops) > 0 && len(r.over) == len(r.stops) {
		return true
	}
	return r.exit && left == 0
}

// position is where a partition is read next, if that is known already.
func (r *reading) position(tp api.TopicPartition) (int64, bool) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	at, err := r.consumer.Position(ctx, tp)
	return at, err == nil
}

// usual is the format without -f.
func (k *kcat) usual() string {
	literal := strings.NewReplacer(`\`, `\\`, `%`, `%%`)
	switch delimiter := literal.Replace(k.delimiter); {
	case k.keyed && k.offsets:
		return "%o" + literal.Replace(k.keyDelim) + "%k" + literal.Replace(k.keyDelim) + "%s" + delimiter
	case k.keyed:
		return "%k" + literal.Replace(k.keyDelim) + "%s" + delimiter
	default:
		return "%s" + delimiter
	}
}

// render prints a record.
func (r *reading) render(dst []byte, rec *api.Record, f format) ([]byte, error) {
	if r.json {
		return r.envelope(dst, rec)
	}
	return f.append(dst, rec)
}

// envelope is a record as -J has it.
func (r *reading) envelope(dst []byte, rec *api.Record) ([]byte, error) {
	kind := "create"
	if rec.LogAppendTime {
		kind = "logappend"
	}
	if rec.Timestamp.IsZero() {
		kind = "unknown"
	}
	text := func(b []byte) *string {
		if b == nil {
			return nil
		}
		s := string(b)
		return &s
	}
	var headers []*string
	for _, h := range rec.Headers {
		headers = append(headers, &h.Key, text(h.Value))
	}
	leader, ok := r.leaders[rec.TopicPartition()]
	if !ok {
		leader = -1
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(struct {
		Topic     string    `json:"topic"`
		Partition int32     `json:"partition"`
		Offset    int64     `json:"offset"`
		Kind      string    `json:"tstype"`
		Time      int64     `json:"ts"`
		Broker    int32     `json:"broker"`
		Headers   []*string `json:"headers,omitempty"`
		Key       *string   `json:"key"`
		Payload   *string   `json:"payload"`
	}{rec.Topic, rec.Partition, rec.Offset, kind, millis(rec), leader, headers, text(rec.Key), text(rec.Value)})
	return append(append(dst, bytes.TrimSuffix(b.Bytes(), []byte("\n"))...), r.delimiter...), err
}
