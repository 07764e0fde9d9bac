package main

import (
	"fmt"
	"io"
	"log/slog"
	"slices"
	"time"
)

// report is what a programme has seen.
type report struct {
	name    string
	log     *slog.Logger // of -v
	strict  bool         // what takes too long is wrong; else it is only told, because it depends on the machine
	rows    []*row
	lags    []*lag
	records int
	faults  int
	notes   []string
	wrong   []string
}

// row is one kind of fault: the gaps of every partition each time, and the bounds for their 95th percentile and their maximum.
type row struct {
	fault            string
	produce, consume []time.Duration
	p95, most        time.Duration // zero: none
}

// row gives the row of a kind of fault.
func (r *report) row(fault string, p95, most time.Duration) *row {
	for _, w := range r.rows {
		if w.fault == fault {
			return w
		}
	}
	r.rows = append(r.rows, &row{fault: fault, p95: p95, most: most})
	return r.rows[len(r.rows)-1]
}

// percentile is by nearest rank.
func percentile(d []time.Duration, p int) time.Duration {
	if len(d) == 0 {
		return 0
	}
	d = slices.Sorted(slices.Values(d))
	return d[max(0, (len(d)*p+99)/100-1)]
}

// exceeds notes what took more than it may.
func (r *report) exceeds(format string, args ...any) {
	if what := fmt.Sprintf(format, args...); r.strict {
		r.wrong = append(r.wrong, what)
	} else {
		r.notes = append(r.notes, "not within bounds: "+what)
	}
}

// judge holds the rows against their bounds.
func (r *report) judge() {
	for _, w := range r.rows {
		for i, gaps := range [][]time.Duration{w.produce, w.consume} {
			what := [...]string{"produce", "consume"}[i]
			if p := percentile(gaps, 95); w.p95 > 0 && p > w.p95 {
				r.exceeds("%s: the 95th percentile of the gaps to %s is %s, more than %s", w.fault, what, p.Round(10*time.Millisecond), w.p95)
			}
			if p := percentile(gaps, 100); w.most > 0 && p > w.most {
				r.exceeds("%s: the longest gap to %s is %s, more than %s", w.fault, what, p.Round(10*time.Millisecond), w.most)
			}
		}
	}
}

// lag is how far a client was behind the cluster itself: the longest gap of a partition with each fault, less that of the probe.
type lag struct {
	fault, who, what string
	samples, silent  []time.Duration
}

func (l *lag) add(gap, silent time.Duration) {
	l.samples, l.silent = append(l.samples, gap-silent), append(l.silent, silent)
}

// behind gives the lag of what a client does.
func (r *report) behind(fault, who, what string) *lag {
	for _, l := range r.lags {
		if l.fault == fault && l.who == who && l.what == what {
			return l
		}
	}
	r.lags = append(r.lags, &lag{fault: fault, who: who, what: what})
	return r.lags[len(r.lags)-1]
}

// printLags prints them, and holds kactor's against the bounds.
func (r *report) printLags(w io.Writer) {
	s := func(d time.Duration) string { return fmt.Sprintf("%.2f", d.Seconds()) }
	three := func(d []time.Duration) string {
		return s(percentile(d, 50)) + "/" + s(percentile(d, 95)) + "/" + s(percentile(d, 100))
	}
	for _, l := range r.lags {
		verdict := ""
		if l.who == "kactor" {
			verdict = ", within bounds"
			if percentile(l.samples, 95) > behindP95 || percentile(l.samples, 100) > behindMost {
				verdict = fmt.Sprintf(", not within bounds: %s at the 95th percentile, %s at most", behindP95, behindMost)
			}
		}
		fmt.Fprintf(w, "%s: %s: %s, %s: behind the cluster itself in s, p50/p95/max: %s (%d samples; it was silent for %s)%s\n", r.name, l.fault, l.who, l.what, three(l.samples), len(l.samples), three(l.silent), verdict)
	}
}

func (r *report) print(w io.Writer) {
	r.judge()
	for _, row := range r.rows {
		s := func(d time.Duration) string { return fmt.Sprintf("%.2f", d.Seconds()) }
		fmt.Fprintf(w, "%s: %s: gaps of a partition in s, p50/p95/max: produce %s/%s/%s, consume %s/%s/%s\n", r.name, row.fault, s(percentile(row.produce, 50)), s(percentile(row.produce, 95)), s(percentile(row.produce, 100)),
			s(percentile(row.consume, 50)), s(percentile(row.consume, 95)), s(percentile(row.consume, 100)))
	}
	r.printLags(w)
	for _, n := range r.notes {
		fmt.Fprintf(w, "%s: %s\n", r.name, n)
	}
	fmt.Fprintf(w, "%s: %d faults, %d records acknowledged and verified, %d things wrong\n", r.name, r.faults, r.records, len(r.wrong))
	for _, what := range r.wrong[:min(10, len(r.wrong))] {
		fmt.Fprintf(w, "\t%s\n", what)
	}
}
