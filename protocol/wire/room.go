package wire

import "sort"

// How much memory a message that is read may take. Hardly an honest one comes near: most take one to four times their bytes. One that is
// made for it could take dozens of times, with topics without names and partitions.
const (
	// MaxGrowth is how many bytes may be allocated for each byte that came.
	MaxGrowth = 8
	// FreeGrowth is how many bytes may be allocated beyond that: of a small message it does not matter what it is made of, and of a
	// large one short names need not be suspected.
	FreeGrowth = 256 << 10
)

// pay takes what n elements of size bytes allocate off the room that is left; false and an error if there is not enough.
func (c *Codec) pay(name string, n, size int) bool {
	if c.err != nil {
		return false
	}
	if c.room -= block(int64(n) * int64(size)); c.room < 0 {
		if c.brief {
			c.fail(ErrMuch)
		} else {
			c.failAt(name, ErrGrowth)
		}
		return false
	}
	return true
}

// blocks are the sizes that Go's allocator has.
var blocks = [...]uint16{24, 32, 48, 64, 80, 96, 112, 128, 144, 160, 176, 192, 208, 224, 240, 256, 288, 320, 352, 384, 416, 448, 480, 512,
	576, 640, 704, 768, 896, 1024, 1152, 1280, 1408, 1536, 1792, 2048, 2304, 2688, 3072, 3200, 3456, 4096, 4864, 5376, 6144, 6528, 6784,
	6912, 8192, 9472, 9728, 10240, 10880, 12288, 13568, 14336, 16384, 18432, 19072, 20480, 21760, 24576, 27264, 28672, 32768}

// block is what n bytes take of the allocator.
func block(n int64) int64 {
	const (
		page = 8 << 10
		head = 8 // of a larger block, for the collector
	)
	switch largest := int64(blocks[len(blocks)-1]); {
	case n == 0:
		return 0
	case n <= 8:
		return 8
	case n <= 16:
		return 16
	case n > largest-head:
		return (n + page - 1) &^ (page - 1)
	case n > 512:
		n += head
	}
	return int64(blocks[sort.Search(len(blocks), func(i int) bool { return int64(blocks[i]) >= n })])
}
