package compress

import (
	"bytes"
	"io"
	"sync"

	"github.com/klauspost/compress/gzip"
)

var (
	gzipWriters [10]sync.Pool // by level
	gzipReaders sync.Pool
)

func gzipCompress(dst, src []byte, level int) ([]byte, error) {
	if level == DefaultLevel || level < 1 || level > 9 {
		level = 6
	}
	out := &sink{dst}
	w, _ := gzipWriters[level].Get().(*gzip.Writer)
	if w == nil {
		var err error
		if w, err = gzip.NewWriterLevel(out, level); err != nil {
			return dst, err
		}
	} else {
		w.Reset(out)
	}
	defer gzipWriters[level].Put(w)
	if _, err := w.Write(src); err != nil {
		return dst, err
	}
	if err := w.Close(); err != nil {
		return dst, err
	}
	return out.b, nil
}

// gzipDecompress reads one member after the other. What is behind them and is no member is left out, as the Java client does: some writers pad with zeros.
func gzipDecompress(dst, src []byte, allowed int) ([]byte, error) {
	if cap(dst) == 0 && 4*len(src) <= scratchBytes {
		return inScratch(func(dst []byte) ([]byte, error) { return gzipDecompress(dst, src, allowed) })
	}
	in := bytes.NewReader(src)
	r, _ := gzipReaders.Get().(*gzip.Reader)
	var err error
	if r == nil {
		r, err = gzip.NewReader(in)
	} else {
		err = r.Reset(in)
	}
	start := len(dst)
	for err == nil {
		r.Multistream(false)
		if dst, err = readAll(dst, r, start+allowed, 4*len(src)); err != nil {
			break
		}
		if in.Len() == 0 || r.Reset(in) != nil {
			break
		}
	}
	if r != nil {
		gzipReaders.Put(r)
	}
	return dst, err
}

// readAll appends what r gives to dst, until that has more than most bytes.
func readAll(dst []byte, r io.Reader, most, guess int) ([]byte, error) {
	if cap(dst) == 0 {
		dst = room(dst, min(guess, most))
	}
	for {
		if len(dst) == cap(dst) {
			dst = append(dst, 0)[:len(dst)]
		}
		n, err := r.Read(dst[len(dst):cap(dst)])
		dst = dst[:len(dst)+n]
		if len(dst) > most {
			return dst, tooBig(len(dst), most)
		}
		if err == io.EOF {
			return dst, nil
		}
		if err != nil {
			return dst, err
		}
	}
}
