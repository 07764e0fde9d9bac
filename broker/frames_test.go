package broker

import (
	"bytes"
	"runtime"
	"runtime/debug"
	"testing"
)

// uncollected keeps the garbage collector from letting memory age while the test runs.
func uncollected(t *testing.T) {
	percent := debug.SetGCPercent(-1)
	t.Cleanup(func() { debug.SetGCPercent(percent) })
}

func TestMemoryOfFramesIsUsedAgainIfItIsOfTheRightSize(t *testing.T) {
	uncollected(t)
	var f frames
	data := make([]byte, 10<<20)
	for i := range data {
		data[i] = byte(i * 7)
	}
	read := func(n int) []byte {
		t.Helper()
		frame, err := f.read(bytes.NewReader(data), n)
		if err != nil || !bytes.Equal(frame, data[:n]) {
			t.Fatalf("a frame of %d bytes is not what was sent: %v", n, err)
		}
		return frame
	}
	same := func(a, b []byte) bool { return &a[0] == &b[0] }
	large, middle := read(9<<20), read(200<<10)
	f.put(large)
	f.put(middle)
	if !same(read(190<<10), middle) {
		t.Error("the memory of 200 KiB did not serve 190")
	}
	if !same(read(9<<20+1000), large) {
		t.Error("the memory of 9 MiB did not serve a little more")
	}
	f.put(large)
	if same(read(1<<20), large) {
		t.Error("1 MiB was given the memory of 9")
	}
}

func TestMemoryOfFramesThatNobodyUsesIsLeftToTheCollector(t *testing.T) {
	uncollected(t)
	var f frames
	f.put(make([]byte, 1<<20))
	f.age()
	if f.get(1<<20) == nil {
		t.Fatal("memory was forgotten at the first collection")
	}
	f.put(make([]byte, 1<<20))
	f.age()
	f.age()
	if f.get(1<<20) != nil {
		t.Error("memory was kept over two collections")
	}
}

func TestAFrameThatDoesNotComeTakesLittleMemory(t *testing.T) {
	uncollected(t)
	data := make([]byte, 20<<20)
	for _, came := range []int{0, 4, 100 << 10, 1 << 20, 5 << 20, 20 << 20} {
		var f frames
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := f.read(bytes.NewReader(data[:came]), 100<<20-1)
		runtime.ReadMemStats(&after)
		if err == nil {
			t.Fatalf("%d bytes were a frame of 100 MiB", came)
		}
		if took := int(after.TotalAlloc - before.TotalAlloc); took > 8*came+256<<10+16<<10 { // of which the last are the error's and the reader's
			t.Errorf("%d bytes of a frame of 100 MiB took %d", came, took)
		}
	}
}
