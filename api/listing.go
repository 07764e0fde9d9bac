package api

import (
	"fmt"
	"io"
	"text/tabwriter"
)

// WriteOptions writes a table of all options: the name for Property, the role that has it (any: all of them), its type, its default, and what it does. Types are bool, int, bytes (5, 5KiB, 5MB), ms (milliseconds, or 5s), enum,
// string, and list (with commas).
func WriteOptions(to io.Writer) error {
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	for i := range options {
		o := &options[i]
		if _, err := fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", o.name, o.role, o.kind, o.def, o.doc); err != nil {
			return err
		}
	}
	return w.Flush()
}
