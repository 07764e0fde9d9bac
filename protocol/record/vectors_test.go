package record_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/kactor-go/kactor/protocol/compress"
	"github.com/kactor-go/kactor/protocol/record"
)

// Golden bytes made by the official Java client (schemas/vectors).

// eachVector calls f with every line of a file of vectors, and fails if there is none.
func eachVector[T any](t testing.TB, name string, f func(v T)) {
	t.Helper()
	file, err := os.Open(filepath.Join("..", "..", "schemas", "vectors", name+".jsonl.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	z, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for r := bufio.NewReaderSize(z, 1<<20); ; n++ {
		line, err := r.ReadBytes('\n')
		if len(line) == 0 && err != nil {
			break
		}
		var v T
		if err := json.Unmarshal(line, &v); err != nil {
			t.Fatal(err)
		}
		f(v)
	}
	if n == 0 {
		t.Fatalf("%s: no vectors", name)
	}
	t.Logf("%s: %d vectors", name, n)
}

type wantRecord struct {
	Offset, Timestamp int64
	Key, Value        *string
	Sequence          *int32
	Headers           []struct {
		Key   string
		Value *string
	}
	Control *struct {
		Type             string
		TypeID           int16
		CoordinatorEpoch *int32
	}
}

type wantBatch struct {
	Magic                      int8
	BaseOffset, LastOffset     int64
	SizeInBytes                int
	Compression, TimestampType string
	MaxTimestamp               int64
	BaseTimestamp              *int64
	Checksum                   uint32
	PartitionLeaderEpoch       int32
	ProducerID                 int64
	ProducerEpoch              int16
	BaseSequence, LastSequence int32
	IsTransactional, IsControl bool
	DeleteHorizonMs            *int64
	Count                      int32
	Records                    []wantRecord
}

type setVector struct {
	Name, Source, Error, Hex string
	Batches                  []wantBatch
}

func TestRecordSetsMatchJava(t *testing.T) {
	eachVector(t, "record-batches", func(v setVector) {
		t.Run(v.Name+"/"+v.Source, func(t *testing.T) {
			raw, err := hex.DecodeString(v.Hex)
			if err != nil {
				t.Fatal(err)
			}
			if v.Error != "" {
				want := map[string]error{"crc": record.ErrCRC, "length": record.ErrLength, "magic": record.ErrMagic}[v.Error]
				if err := readAll(raw); want == nil || !errors.Is(err, want) {
					t.Fatalf("want %s, got %v", v.Error, err)
				}
				return
			}
			n := 0
			for b, err := range record.Batches(raw) {
				if err != nil {
					t.Fatal(err)
				}
				if n == len(v.Batches) {
					t.Fatal("more batches than Java finds")
				}
				checkBatch(t, &b, &v.Batches[n])
				n++
			}
			if n != len(v.Batches) {
				t.Fatalf("%d batches, Java finds %d", n, len(v.Batches))
			}
		})
	})
}

func readAll(raw []byte) error {
	for b, err := range record.Batches(raw) {
		if err != nil {
			return err
		}
		if err := b.CheckCRC(); err != nil {
			return err
		}
		it, _, err := b.Records(nil, compress.Limit{})
		if err != nil {
			return err
		}
		var v record.View
		for it.Next(&v) {
			if _, err := v.Headers(nil); err != nil {
				return err
			}
		}
		if it.Err() != nil {
			return it.Err()
		}
	}
	return nil
}

func checkBatch(t *testing.T, b *record.Batch, w *wantBatch) {
	t.Helper()
	if err := b.CheckCRC(); err != nil {
		t.Fatal(err)
	}
	it, _, err := b.Records(nil, compress.Limit{})
	if err != nil {
		t.Fatal(err)
	}
	timestampType := "CreateTime"
	if b.LogAppendTime {
		timestampType = "LogAppendTime"
	} else if b.Magic == 0 {
		timestampType = "NoTimestampType"
	}
	type facts struct {
		magic       int8
		first, last int64
		size        int
		codec, ts   string
		newest      int64
		checksum    uint32
	}
	got := facts{b.Magic, it.First(), b.LastOffset(), len(b.Bytes()), b.Codec.String(), timestampType, b.MaxTimestamp, b.Checksum()}
	want := facts{w.Magic, w.BaseOffset, w.LastOffset, w.SizeInBytes, w.Compression, w.TimestampType, w.MaxTimestamp, w.Checksum}
	if got != want {
		t.Fatalf("batch\n%+v, want\n%+v", got, want)
	}
	if b.Magic == 2 {
		checkBatch2(t, b, w)
	}
	var v record.View
	for i := range w.Records {
		if !it.Next(&v) {
			t.Fatalf("record %d of %d: %v", i, len(w.Records), it.Err())
		}
		checkRecord(t, b, &v, &w.Records[i])
	}
	if it.Next(&v) || it.Err() != nil {
		t.Fatalf("behind the last record: %v", it.Err())
	}
	rewrite(t, b)
}

func checkBatch2(t *testing.T, b *record.Batch, w *wantBatch) {
	t.Helper()
	type facts struct {
		epoch    int32
		pid      int64
		pe       int16
		seq, ls  int32
		tx, ctrl bool
		count    int32
	}
	got := facts{b.LeaderEpoch, b.ProducerID, b.ProducerEpoch, b.BaseSequence, b.LastSequence(), b.Transactional, b.Control, b.Count}
	want := facts{w.PartitionLeaderEpoch, w.ProducerID, w.ProducerEpoch, w.BaseSequence, w.LastSequence, w.IsTransactional, w.IsControl, w.Count}
	if got != want {
		t.Fatalf("batch\n%+v, want\n%+v", got, want)
	}
	if b.DeleteHorizon != (w.DeleteHorizonMs != nil) || b.DeleteHorizon && b.BaseTimestamp != *w.DeleteHorizonMs {
		t.Fatalf("delete horizon %v %d", b.DeleteHorizon, b.BaseTimestamp)
	}
}

func same(got []byte, want *string) bool {
	if want == nil || got == nil {
		return want == nil && got == nil
	}
	return base64.StdEncoding.EncodeToString(got) == *want
}

func checkRecord(t *testing.T, b *record.Batch, v *record.View, w *wantRecord) {
	t.Helper()
	if v.Offset != w.Offset || v.Timestamp != w.Timestamp || !same(v.Key, w.Key) || !same(v.Value, w.Value) {
		t.Fatalf("record %+v, want %+v", v, w)
	}
	headers, err := v.Headers(nil)
	if err != nil || len(headers) != len(w.Headers) {
		t.Fatalf("%d headers, want %d, %v", len(headers), len(w.Headers), err)
	}
	for i, h := range headers {
		if h.Key != w.Headers[i].Key || !same(h.Value, w.Headers[i].Value) {
			t.Fatalf("header %+v, want %+v", h, w.Headers[i])
		}
	}
	if w.Control == nil {
		return
	}
	kind, epoch, err := record.Control(v)
	if err != nil || kind.String() != w.Control.Type || int16(kind) != w.Control.TypeID {
		t.Fatalf("control record %v, %v, want %+v", kind, err, w.Control)
	}
	if w.Control.CoordinatorEpoch != nil && epoch != *w.Control.CoordinatorEpoch {
		t.Fatalf("coordinator epoch %d, want %d", epoch, *w.Control.CoordinatorEpoch)
	}
}

// rewrite writes the batch again from its parts. Without compression that must be the same bytes.
func rewrite(t *testing.T, b *record.Batch) {
	t.Helper()
	it, _, err := b.Records(nil, compress.Limit{})
	if err != nil {
		t.Fatal(err)
	}
	var v record.View
	if b.Magic < 2 {
		if b.Codec != compress.None {
			return
		}
		it.Next(&v)
		m := record.AppendMessage(nil, b.Magic, v.Offset, v.Timestamp, b.Codec, v.Key, v.Value)
		if b.LogAppendTime {
			return // a bit that only brokers set
		}
		if !bytes.Equal(m, b.Bytes()) {
			t.Fatalf("written again as\n%x\nwant\n%x", m, b.Bytes())
		}
		return
	}
	if b.LogAppendTime { // the records' own times cannot be seen
		return
	}
	data := []byte{}
	for it.Next(&v) {
		headers, _ := v.Headers(nil)
		size := len(data)
		data = record.AppendRecord(data, int32(v.Offset-b.BaseOffset), v.Timestamp-b.BaseTimestamp, v.Key, v.Value, headers)
		if want := record.Size(int32(v.Offset-b.BaseOffset), v.Timestamp-b.BaseTimestamp, v.Key, v.Value, headers); len(data)-size != want {
			t.Fatalf("a record of %d bytes was said to take %d", len(data)-size, want)
		}
	}
	out := make([]byte, record.Overhead)
	if out, err = b.Codec.Compress(out, data, compress.DefaultLevel); err != nil {
		t.Fatal(err)
	}
	record.Seal(out, &b.Info)
	if b.Codec == compress.None && !bytes.Equal(out, b.Bytes()) {
		t.Fatalf("written again as\n%x\nwant\n%x", out, b.Bytes())
	}
	again, _, ok, err := record.Next(out)
	if err != nil || !ok || again.CheckCRC() != nil || again.Info != b.Info {
		t.Fatalf("read again as %+v, %v", again.Info, err)
	}
	_, buf, err := again.Records(nil, compress.Limit{})
	if err != nil || b.Codec != compress.None && !bytes.Equal(buf, data) {
		t.Fatalf("decompressed to something else: %v", err)
	}
}

func TestHashesMatchJava(t *testing.T) {
	eachVector(t, "checksum", func(v struct {
		Data          string
		CRC32C, CRC32 uint32
	}) {
		b, _ := hex.DecodeString(v.Data)
		if record.CRC32C(b) != v.CRC32C || record.CRC32(b) != v.CRC32 {
			t.Errorf("%s: %d, %d", v.Data, record.CRC32C(b), record.CRC32(b))
		}
	})
	eachVector(t, "partition", func(v struct {
		Key               string
		Murmur2, Positive int32
	}) {
		b, _ := hex.DecodeString(v.Key)
		if h := record.Murmur2(b); h != v.Murmur2 || h&0x7fffffff != v.Positive {
			t.Errorf("%s: %d, want %d", v.Key, h, v.Murmur2)
		}
	})
}

// batch writes n records.
func batch(n int, codec compress.Codec) []byte {
	var data []byte
	for i := range n {
		data = record.AppendRecord(data, int32(i), int64(i), fmt.Appendf(nil, "k%d", i), bytes.Repeat([]byte{byte(i)}, 100), nil)
	}
	out, err := codec.Compress(make([]byte, record.Overhead), data, compress.DefaultLevel)
	if err != nil {
		panic(err)
	}
	record.Seal(out, &record.Info{Magic: 2, Codec: codec, BaseOffset: 1000, LastOffsetDelta: int32(n - 1), Count: int32(n), BaseTimestamp: 5,
		MaxTimestamp: int64(n + 4), ProducerID: 9, ProducerEpoch: 1, BaseSequence: 7, LeaderEpoch: -1})
	return out
}

func TestEveryFlippedBitIsDetected(t *testing.T) {
	good := batch(5, compress.None)
	for i := range good {
		if i < 16 && (i < 8 || i >= 12) || i == 16 { // base offset and leader epoch are not under the checksum; the magic decides which one it is
			continue
		}
		for bit := range 8 {
			b := slices.Clone(good)
			b[i] ^= 1 << bit
			found := 0
			var err error
			for c, e := range record.Batches(b) {
				if err = e; err == nil {
					err = c.CheckCRC()
				}
				found++
			}
			if err == nil && found > 0 {
				t.Fatalf("bit %d of byte %d was not noticed", bit, i)
			}
		}
	}
}

func TestOldBrokersGetMessageSets(t *testing.T) {
	b, _, _, err := record.Next(batch(10, compress.None))
	if err != nil {
		t.Fatal(err)
	}
	for _, magic := range []int8{0, 1} {
		for _, codec := range []compress.Codec{compress.None, compress.Gzip, compress.Snappy, compress.LZ4} {
			set, err := record.AppendLegacy(nil, &b, magic, codec, compress.DefaultLevel)
			if err != nil {
				t.Fatal(err)
			}
			n := int64(0)
			for m, err := range record.Batches(set) {
				if err != nil || m.CheckCRC() != nil || m.Magic != magic {
					t.Fatal(err, m.Magic)
				}
				it, _, err := m.Records(nil, compress.Limit{})
				if err != nil {
					t.Fatal(err)
				}
				var v record.View
				for it.Next(&v) {
					if v.Offset != 1000+n || string(v.Key) != fmt.Sprintf("k%d", n) || magic == 1 && v.Timestamp != n+5 {
						t.Fatalf("magic %d %s: record %d is %+v", magic, codec, n, v)
					}
					n++
				}
				if it.Err() != nil {
					t.Fatal(it.Err())
				}
			}
			if n != 10 {
				t.Fatalf("magic %d %s: %d records", magic, codec, n)
			}
		}
	}
	data := record.AppendRecord(make([]byte, record.Overhead), 0, 0, nil, nil, []record.Header{{Key: "h"}})
	record.Seal(data, &record.Info{Magic: 2, Count: 1})
	h, _, _, _ := record.Next(data)
	if _, err := record.AppendLegacy(nil, &h, 1, compress.None, 0); !errors.Is(err, record.ErrHeaders) {
		t.Error(err)
	}
	if _, err := record.AppendLegacy(nil, &b, 1, compress.Zstd, 0); err == nil {
		t.Error("zstd in an old format")
	}
}

func TestSequencesWrap(t *testing.T) {
	if s := record.AddSequence(0x7fffffff, 1); s != 0 {
		t.Error(s)
	}
	if s := record.AddSequence(0x7ffffffe, 3); s != 1 {
		t.Error(s)
	}
}

func TestAssignKeepsTheRecords(t *testing.T) {
	b := batch(3, compress.LZ4)
	before := slices.Clone(b)
	record.Assign(b, 77, 3, 500)
	got, _, _, err := record.Next(b)
	if err != nil || got.CheckCRC() != nil || got.ProducerID != 77 || got.ProducerEpoch != 3 || got.BaseSequence != 500 {
		t.Fatal(got, err)
	}
	if !bytes.Equal(b[record.Overhead:], before[record.Overhead:]) {
		t.Fatal("the records changed")
	}
}

func TestIterationAndEncodingAllocateNothing(t *testing.T) {
	raw := batch(100, compress.None)
	var v record.View
	if n := testing.AllocsPerRun(100, func() {
		b, _, _, _ := record.Next(raw)
		it, _, _ := b.Records(nil, compress.Limit{})
		for it.Next(&v) {
		}
	}); n > 1 {
		t.Errorf("%v allocations for reading a batch", n)
	}
	dst, value := make([]byte, 0, 1<<12), make([]byte, 100)
	if n := testing.AllocsPerRun(100, func() {
		dst = record.AppendRecord(dst[:0], 1, 2, value[:10], value, nil)
	}); n != 0 {
		t.Errorf("%v allocations for writing a record", n)
	}
}

// FuzzBatches reads any bytes as a record set.
func FuzzBatches(f *testing.F) {
	eachVector(f, "record-batches", func(v setVector) {
		if raw, _ := hex.DecodeString(v.Hex); len(raw) < 2000 {
			f.Add(raw)
		}
	})
	f.Fuzz(func(t *testing.T, raw []byte) {
		for b, err := range record.Batches(raw) {
			if err != nil {
				return
			}
			_ = b.CheckCRC()
			it, _, err := b.Records(nil, compress.Limit{Bytes: 1 << 20})
			if err != nil {
				continue
			}
			var v record.View
			for it.Next(&v) {
				_, _ = v.Headers(nil)
				_, _, _ = record.Control(&v)
			}
			_, _ = record.AppendLegacy(nil, &b, 1, compress.None, 0)
		}
	})
}

// A batch is encoded record by record, sealed, and read again.
func ExampleSeal() {
	b := make([]byte, record.Overhead)
	b = record.AppendRecord(b, 0, 0, []byte("k"), []byte("first"), nil)
	b = record.AppendRecord(b, 1, 3, nil, []byte("second"), []record.Header{{Key: "trace", Value: []byte("7")}})
	record.Seal(b, &record.Info{Magic: 2, LastOffsetDelta: 1, Count: 2, BaseTimestamp: 100, MaxTimestamp: 103,
		ProducerID: record.NoProducerID, ProducerEpoch: record.NoProducerEpoch, BaseSequence: record.NoSequence})

	for batch, err := range record.Batches(b) {
		it, _, err2 := batch.Records(nil, compress.Limit{})
		if err != nil || err2 != nil {
			fmt.Println(err, err2)
		}
		var v record.View
		for it.Next(&v) {
			fmt.Println(v.Offset, v.Timestamp, string(v.Key), string(v.Value), v.HeaderCount())
		}
	}
	// Output:
	// 0 100 k first 0
	// 1 103  second 1
}
