package compress

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/klauspost/compress/s2"
)

// Kafka's snappy is framed as the Java library of xerial.org does it: a magic, two versions, and blocks of at most 32 KiB, each behind
// its compressed size in four bytes.
var xerial = []byte{0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0, 0, 0, 0, 1, 0, 0, 0, 1}

const xerialBlock = 32 << 10

func snappyCompress(dst, src []byte) []byte {
	dst = append(dst, xerial...)
	for len(src) > 0 {
		block := src[:min(len(src), xerialBlock)]
		src = src[len(block):]
		at := len(dst)
		need := 4 + s2.MaxEncodedLen(len(block))
		if cap(dst)-at < need {
			dst = append(dst, make([]byte, need)...)[:at]
		}
		out := s2.EncodeSnappy(dst[at+4:at+need], block)
		dst = dst[:at+4+len(out)]
		binary.BigEndian.PutUint32(dst[at:], uint32(len(out)))
	}
	return dst
}

func snappyDecompress(dst, src []byte, allowed int) ([]byte, error) {
	start := len(dst)
	if !bytes.HasPrefix(src, xerial[:8]) {
		return snappyBlock(dst, src, start+allowed) // some clients write no frame
	}
	declared, _ := snappySize(src) // what is corrupt shows below
	dst = room(dst, min(declared, allowed))
	for len(src) > 0 {
		if bytes.HasPrefix(src, xerial[:8]) { // of the stream, or of another behind it
			if len(src) < len(xerial) {
				return dst, errors.New("the frame header is cut off")
			}
			src = src[len(xerial):]
			continue
		}
		if len(src) < 4 {
			return dst, errors.New("a block's size is cut off")
		}
		n := binary.BigEndian.Uint32(src)
		if int64(n) > int64(len(src)-4) {
			return dst, fmt.Errorf("a block of %d bytes in the %d that are left", n, len(src)-4)
		}
		var err error
		if dst, err = snappyBlock(dst, src[4:4+n], start+allowed); err != nil {
			return dst, err
		}
		src = src[4+n:]
	}
	return dst, nil
}

// snappyDeclared is how many bytes come out of a block, as it says itself.
func snappyDeclared(block []byte) (int, error) {
	n, err := s2.DecodedLen(block)
	if err == nil && n > len(block)*32 { // a copy of 64 bytes takes two or three
		err = fmt.Errorf("%d bytes cannot hold the %d declared", len(block), n)
	}
	return n, err
}

// snappyBlock appends a block to dst, which may have most bytes then.
func snappyBlock(dst, block []byte, most int) ([]byte, error) {
	n, err := snappyDeclared(block)
	if err != nil {
		return dst, err
	}
	at := len(dst)
	if at+n > most {
		return dst, tooBig(at+n, most)
	}
	if cap(dst)-at < n {
		dst = append(dst, make([]byte, n)...)[:at]
	}
	out, err := s2.Decode(dst[at:at+n:at+n], block)
	if err != nil {
		return dst, err
	}
	return dst[:at+len(out)], nil
}
