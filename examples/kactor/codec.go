package main

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"io"

	"github.com/kactor-go/kactor/protocol"
)

// codec translates protocol messages, a line each: {"api","apiKey","kind","version"} with "hex" or "json"; the answer has both, or "error".
func codec(args []string, in io.Reader, out io.Writer) error {
	f := flag.NewFlagSet("kactor codec", flag.ContinueOnError)
	f.Usage = func() {
		fmt.Fprint(f.Output(), `kactor codec translates protocol messages from standard input, one JSON object a line: {"api", "apiKey", "kind", "version"} with "hex" or "json". The answer has both, or "error".`+"\n")
	}
	if err := readFlags(f, args); err != nil {
		return err
	}
	if f.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", f.Arg(0))
	}
	r := bufio.NewReaderSize(in, 1<<20)
	w := bufio.NewWriterSize(out, 1<<20)
	for {
		line, err := r.ReadBytes('\n')
		if len(line) > 1 || len(line) == 1 && line[0] != '\n' {
			if _, err := w.Write(append(protocol.CodecLine(line), '\n')); err != nil {
				return err
			}
		}
		if err != nil {
			if errors.Is(err, io.EOF) {
				err = nil
			}
			return errors.Join(err, w.Flush())
		}
		if r.Buffered() == 0 {
			if err := w.Flush(); err != nil {
				return err
			}
		}
	}
}
