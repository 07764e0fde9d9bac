package sender

import "testing"

func TestChunksHaveRoomForWhatIsAsked(t *testing.T) {
	for _, x := range []struct{ whole, n, room int }{
		{16384, 1, 1024}, {16384, 1024, 1024}, {16384, 1025, 2048}, {16384, 9000, 16384}, {16384, 16384, 16384}, {16384, 20000, 20000},
		{100000, 40000, 65536}, {100000, 65537, 100000}, {200, 100, 200}, {200, 300, 300},
	} {
		c := chunks{whole: x.whole}
		if got := c.room(x.n); got != x.room {
			t.Errorf("batch.size %d: %d bytes get %d, expected %d", x.whole, x.n, got, x.room)
		}
		if b := c.get(x.room); len(b) != 0 || cap(b) != x.room {
			t.Errorf("a chunk of %d has the capacity %d", x.room, cap(b))
		}
	}
}

func TestChunksAreUsedAgainButForThoseOfOneLargeRecord(t *testing.T) {
	c := chunks{whole: 16384, poison: true}
	for _, room := range []int{1024, 2048, 8192, 16384, 20000, 32768} {
		b := append(c.get(room), "records"...)
		c.put(b)
		if b[0] != 0xdb {
			t.Errorf("%d: what was in it can still be read", room)
		}
		again := c.get(room)
		if same := &again[:1][0] == &b[0]; same != (room <= 16384) {
			t.Errorf("%d: used again: %v", room, same)
		}
	}
}
