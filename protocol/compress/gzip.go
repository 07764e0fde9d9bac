package compress

import (
	"bytes"
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

func gzipDecompress(dst, src []byte, allowed int) ([]byte, error) {
	in := bytes.NewReader(src)
	r, _ := gzipReaders.Get().(*gzip.Reader)
	var err error
	if r == nil {
		r, err = gzip.NewReader(in)
	} else {
		err = r.Reset(in)
	}
	if err != nil {
		return dst, err
	}
	dst, err = readAll(dst, r, allowed, 4*len(src))
	gzipReaders.Put(r)
	return dst, err
}
