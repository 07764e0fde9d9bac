package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/pprof"
	"slices"
	"strconv"
	"strings"
	"time"
)

// benchOptions is the command line of the comparison: one measurement, one JSON line.
type benchOptions struct {
	mode, broker, topic       string
	count, size               int
	compression, acks         string
	linger                    int // ms
	batchBytes                int
	idempotent, defaults      bool
	key                       string
	partitions, rate, seconds int
	payload, variant          string
	goroutines                int // that produce
}

// benchResult is the line that is printed.
type benchResult struct {
	Client     string  `json:"client"`
	Mode       string  `json:"mode"`
	Topic      string  `json:"topic"`
	Records    int     `json:"records"`
	Failed     int     `json:"failed"`
	WallS      float64 `json:"wall_s"`
	UserS      float64 `json:"user_s"`
	SysS       float64 `json:"sys_s"`
	CPUPerM    float64 `json:"cpu_s_per_m"`
	RecPerS    float64 `json:"rec_per_s"`
	MBPerS     float64 `json:"mb_per_s"`
	MaxRSSMB   float64 `json:"maxrss_mb"`
	MallocsRec float64 `json:"mallocs_per_rec"`
	BytesRec   float64 `json:"alloc_bytes_per_rec"`
	StartMs    float64 `json:"start_ms,omitempty"`
	P50        float64 `json:"p50_us,omitempty"`
	P99        float64 `json:"p99_us,omitempty"`
	P999       float64 `json:"p999_us,omitempty"`
	Max        float64 `json:"max_us,omitempty"`
	Note       string  `json:"note,omitempty"`
}

func parseBench(args []string) (*benchOptions, error) {
	o := &benchOptions{}
	f := flag.NewFlagSet("kactor bench", flag.ContinueOnError)
	f.StringVar(&o.mode, "mode", "produce", "produce, sync, consume, latency, idle or startup")
	f.StringVar(&o.broker, "broker", "127.0.0.1:19092", "host:port")
	f.StringVar(&o.topic, "topic", "bench", "a topic that exists")
	f.IntVar(&o.count, "count", 1_000_000, "records in the measured window")
	f.IntVar(&o.size, "size", 100, "bytes of a value")
	f.StringVar(&o.compression, "compression", "none", "none, gzip, snappy, lz4 or zstd")
	f.StringVar(&o.acks, "acks", "all", "0, 1 or all")
	f.IntVar(&o.linger, "linger-ms", 5, "milliseconds")
	f.IntVar(&o.batchBytes, "batch-bytes", 1<<20, "limit of a partition's batch")
	truth(f, &o.idempotent, "idempotent", "`true|false`: idempotent producer (default false)")
	f.StringVar(&o.key, "key", "none", "none or seq")
	truth(f, &o.defaults, "defaults", "`true|false`: the client's own linger, batch and buffer (default false)")
	f.IntVar(&o.partitions, "partitions", 12, "of the topic")
	f.IntVar(&o.rate, "rate", 1000, "latency: records a second")
	f.IntVar(&o.seconds, "seconds", 10, "idle: length of the window")
	f.StringVar(&o.payload, "payload", "", "file of records of the given size")
	f.StringVar(&o.variant, "variant", "", "views: consume through views; goroutines:`N`: produce from so many")
	if err := readFlags(f, args); err != nil {
		return nil, err
	}
	if f.NArg() > 0 {
		return nil, fmt.Errorf("bench: unexpected argument %q", f.Arg(0))
	}
	o.goroutines = 1
	if n, ok := strings.CutPrefix(o.variant, "goroutines:"); ok {
		var err error
		if o.goroutines, err = strconv.Atoi(n); err != nil || o.goroutines < 1 {
			return nil, fmt.Errorf("bench: --variant goroutines:%s: a number of goroutines is wanted", n)
		}
	} else if o.variant != "" && o.variant != "views" {
		return nil, fmt.Errorf("bench: unknown variant %q; there are views and goroutines:N", o.variant)
	}
	return o, nil
}

// truth is a flag that takes true or false as an argument of its own, as the contract of the comparison has it.
func truth(f *flag.FlagSet, to *bool, name, usage string) {
	f.Func(name, usage, func(s string) (err error) {
		*to, err = strconv.ParseBool(s)
		return err
	})
}

func runBench(ctx context.Context, args []string, out io.Writer) error {
	o, err := parseBench(args)
	if err != nil {
		return err
	}
	if name := os.Getenv("BENCH_CPUPROFILE"); name != "" {
		f, err := os.Create(name)
		if err != nil {
			return err
		}
		defer f.Close()
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	r := &benchResult{Client: "kactor", Mode: o.mode, Topic: o.topic}
	if o.variant != "" {
		r.Client += "+" + o.variant
	}
	modes := map[string]func(context.Context, *benchOptions, *benchResult) error{
		"produce": benchProduce, "sync": benchSync, "consume": benchConsume,
		"latency": benchLatency, "idle": benchIdle, "startup": benchStartup,
	}
	run := modes[o.mode]
	if run == nil {
		return fmt.Errorf("bench: unknown mode %q", o.mode)
	}
	if err := run(ctx, o, r); err != nil {
		return fmt.Errorf("bench %s: %w", o.mode, err)
	}
	r.MaxRSSMB = peakRSS()
	line, err := json.Marshal(r)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "%s\n", line)
	return err
}

// window measures from begin to end: wall clock, CPU of the process, allocations.
type window struct {
	t         time.Time
	user, sys float64
	mem       runtime.MemStats
}

func begin() *window {
	w := &window{}
	runtime.ReadMemStats(&w.mem)
	w.user, w.sys = cpuSeconds()
	w.t = time.Now()
	return w
}

func (w *window) end(r *benchResult, records, bytes int) {
	r.WallS = time.Since(w.t).Seconds()
	user, sys := cpuSeconds()
	r.UserS, r.SysS = user-w.user, sys-w.sys
	var mem runtime.MemStats
	runtime.ReadMemStats(&mem)
	r.Records = records
	if records == 0 {
		return
	}
	n := float64(records)
	r.CPUPerM = (r.UserS + r.SysS) / n * 1e6
	r.RecPerS = n / r.WallS
	r.MBPerS = float64(bytes) / r.WallS / 1e6
	r.MallocsRec = float64(mem.Mallocs-w.mem.Mallocs) / n
	r.BytesRec = float64(mem.TotalAlloc-w.mem.TotalAlloc) / n
}

func (r *benchResult) quantiles(ns []int64) {
	if len(ns) == 0 {
		return
	}
	slices.Sort(ns)
	at := func(p float64) float64 { return float64(ns[int(p*float64(len(ns)-1))]) / 1e3 }
	r.P50, r.P99, r.P999, r.Max = at(.5), at(.99), at(.999), at(1)
}

// payload gives the values: record i is number i modulo the number of records in the file.
func payload(o *benchOptions) ([][]byte, error) {
	if o.payload == "" {
		return nil, errors.New("--payload is needed")
	}
	b, err := os.ReadFile(o.payload)
	if err != nil {
		return nil, err
	}
	if o.size <= 0 || len(b) < o.size {
		return nil, fmt.Errorf("%s holds no record of %d bytes", o.payload, o.size)
	}
	values := make([][]byte, len(b)/o.size)
	for i := range values {
		values[i] = b[i*o.size : (i+1)*o.size : (i+1)*o.size]
	}
	return values, nil
}

// benchKeys gives the keys of "--key seq": user-%08d of i modulo 65536.
func benchKeys(o *benchOptions) ([][]byte, error) {
	switch o.key {
	case "none":
		return nil, nil
	case "seq":
		keys := make([][]byte, 65536)
		for i := range keys {
			keys[i] = fmt.Appendf(nil, "user-%08d", i)
		}
		return keys, nil
	}
	return nil, fmt.Errorf("--key %q: none or seq", o.key)
}
