package wire

import "testing"

// A block is never smaller than what Go's allocator takes.
func TestBlocks(t *testing.T) {
	for n := 0; n < 80_000; n += 1 + n/500 {
		if room := cap(append([]byte(nil), make([]byte, n)...)); n > 8 && block(int64(n)) < int64(room) {
			t.Fatalf("%d bytes: a block of %d, and the allocator's is %d", n, block(int64(n)), room)
		}
	}
}
