package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/pborman/getopt/v2"

	"github.com/kactor-go/kactor/api"
)

// kcat understands the command line of kcat 1.7 and prints what that prints: kactor -C -b HOSTS -t TOPIC ..., or the command under the name kcat. The defaults of its library hold (api.Profile librdkafka), so that records without -p
// go where they went. What is not there, Avro and transactions, is an error.
//
//	kcat.go the command line    kcat_read.go -C and -G    kcat_write.go -P    kcat_list.go -L and -Q    kcat_pack.go -s
type kcat struct {
	mode    byte // C, P, L, Q or G
	brokers string
	group   string
	topics  []string // -t
	rest    []string // topics of -G, files of -P

	partition           int32
	delimiter, keyDelim string
	keyed               bool // -K is given
	count               int64
	timeout             time.Duration
	props               map[string]string
	files               []string // of properties
	quiet               bool
	goesOn              bool       // -E
	logs                slog.Level // -v, -d

	from, to   offset // -o
	exit       bool   // -e
	format     string // -f
	json       bool
	offsets    bool // -O
	null       bool // -Z
	unbuffered bool
	pack       packs

	lines    bool // -l
	tee      bool
	fixedKey *string
	headers  headerFlags

	in        io.Reader
	out, errs io.Writer
}

// kcatError is an error of the command line, behind which the usage is printed.
type kcatError struct{ error }

// isKcat tells whether a command line is one of kcat's: it begins with a flag.
func isKcat(args []string) bool {
	return len(args) > 0 && len(args[0]) > 1 && args[0][0] == '-' && args[0] != "-h" && args[0] != "--help"
}

// runKcat runs a command line of kcat's, and tells on errs what is wrong, as kcat does.
func runKcat(ctx context.Context, args []string, in io.Reader, out, to io.Writer) error {
	errs := &gate{to: to}
	defer errs.close()
	err := tryKcat(ctx, args, in, out, errs)
	var line kcatError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &line):
		fmt.Fprintf(errs, "Error: %v\n\n%s", err, kcatUsage)
	default:
		fmt.Fprintf(errs, "%% ERROR: %v\n", err)
	}
	return errSaid
}

func tryKcat(ctx context.Context, args []string, in io.Reader, out, errs io.Writer) error {
	k := &kcat{partition: -1, delimiter: "\n", timeout: 5 * time.Second, props: map[string]string{}, from: offset{kind: 'd'}, logs: slog.LevelError, in: in, out: out, errs: errs}
	done, err := k.parse(args)
	if done || err != nil {
		return err
	}
	client, err := k.dial(ctx)
	if err != nil {
		return err
	}
	defer func() {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), k.timeout)
		defer cancel()
		_ = client.Shutdown(closing)
	}()
	switch k.mode {
	case 'L':
		return k.list(ctx, client)
	case 'Q':
		return k.query(ctx, client)
	case 'P':
		return k.produce(ctx, client)
	}
	return k.consume(ctx, client)
}

// parse reads the command line; done if there is nothing more to do.
func (k *kcat) parse(args []string) (done bool, err error) {
	s := getopt.New()
	var flags struct {
		consume, produce, list, query                                                    bool
		group, partition, delimiter, keyDelim, count, timeout, format, codec, key, debug string
		version, help                                                                    bool
		topics, offsets, props, files, headers, packs                                    repeated
	}
	for _, b := range []struct {
		to   *bool
		name rune
	}{{&flags.consume, 'C'}, {&flags.produce, 'P'}, {&flags.list, 'L'}, {&flags.query, 'Q'}, {&k.exit, 'e'}, {&k.goesOn, 'E'}, {&k.json, 'J'}, {&k.offsets, 'O'}, {&k.null, 'Z'}, {&k.unbuffered, 'u'}, {&k.quiet, 'q'},
		{&k.lines, 'l'}, {&k.tee, 'T'}, {&flags.version, 'V'}, {&flags.help, 'h'}} {
		s.Flag(b.to, b.name)
	}
	verbose := 0
	s.Flag((*counter)(&verbose), 'v').SetFlag()
	for _, b := range []struct {
		to   *string
		name rune
	}{{&k.brokers, 'b'}, {&flags.group, 'G'}, {&flags.partition, 'p'}, {&flags.delimiter, 'D'}, {&flags.keyDelim, 'K'}, {&flags.count, 'c'}, {&flags.timeout, 'm'}, {&flags.format, 'f'}, {&flags.codec, 'z'}, {&flags.key, 'k'}, {&flags.debug, 'd'}} {
		s.Flag(b.to, b.name)
	}
	for _, b := range []struct {
		to   *repeated
		name rune
	}{{&flags.topics, 't'}, {&flags.offsets, 'o'}, {&flags.props, 'X'}, {&flags.files, 'F'}, {&flags.headers, 'H'}, {&flags.packs, 's'}} {
		s.Flag(b.to, b.name)
	}
	left := append([]string{"kcat"}, args...)
	for len(left) > 1 || len(left) == 1 && left[0] == "kcat" { // flags may stand behind files
		if err := s.Getopt(left, nil); err != nil {
			return true, kcatError{err}
		}
		rest := s.Args()
		if len(rest) == 0 {
			break
		}
		k.rest = append(k.rest, rest[0])
		left = append([]string{"kcat"}, rest[1:]...)
		if len(left) == 1 {
			break
		}
	}
	switch {
	case flags.help:
		_, err := io.WriteString(k.out, kcatUsage)
		return true, err
	case flags.version:
		fmt.Fprintf(k.out, "kactor, with the command line of kcat 1.7\n")
		return true, nil
	}
	for _, m := range []struct {
		given bool
		mode  byte
	}{{flags.consume, 'C'}, {flags.produce, 'P'}, {flags.list, 'L'}, {flags.query, 'Q'}, {flags.group != "", 'G'}} {
		if m.given && k.mode != 0 {
			return true, kcatError{fmt.Errorf("-%c and -%c contradict each other: give one", k.mode, m.mode)}
		}
		if m.given {
			k.mode = m.mode
		}
	}
	k.group, k.topics, k.files, k.format = flags.group, flags.topics, flags.files, flags.format
	if s.IsSet('k') {
		k.fixedKey = &flags.key
	}
	var errs []error
	number := func(flag rune, text string, to func(n int64) bool) {
		if !s.IsSet(flag) {
			return
		}
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil || !to(n) {
			errs = append(errs, fmt.Errorf("-%c %q: a number is wanted", flag, text))
		}
	}
	number('p', flags.partition, func(n int64) bool { k.partition = int32(n); return n >= -1 && n < 1<<31 })
	number('c', flags.count, func(n int64) bool { k.count = n; return n >= 0 })
	number('m', flags.timeout, func(n int64) bool { k.timeout = time.Duration(n) * time.Second; return n > 0 && n < 1<<31 })
	text := func(flag rune, text string, to *string) {
		if s.IsSet(flag) {
			t, err := unescape(text)
			errs, *to = append(errs, err), t
		}
	}
	text('D', flags.delimiter, &k.delimiter)
	text('K', flags.keyDelim, &k.keyDelim)
	k.keyed = s.IsSet('K')
	switch {
	case s.IsSet('d'):
		k.logs = slog.LevelDebug
	case verbose > 0:
		k.logs = slog.LevelInfo
	}
	for _, o := range flags.offsets {
		errs = append(errs, k.offset(o))
	}
	for _, h := range flags.headers {
		errs = append(errs, k.headers.Set(h))
	}
	for _, p := range flags.packs {
		errs = append(errs, k.pack.set(p))
	}
	if s.IsSet('z') {
		k.props["compression.type"] = flags.codec
	}
	for _, p := range flags.props {
		name, value, ok := strings.Cut(strings.TrimPrefix(p, "topic."), "=")
		switch {
		case p == "list":
			return true, api.WriteOptions(k.out)
		case !ok:
			errs = append(errs, fmt.Errorf("-X %s: name=value is wanted", p))
		}
		k.props[name] = value
	}
	if err := errors.Join(errs...); err != nil {
		return true, err
	}
	return false, k.complete()
}

// complete sees to it that the command line says what is to be done.
func (k *kcat) complete() error {
	if k.mode == 0 { // as kcat: who types at a terminal wants to read
		k.mode = 'P'
		if f, ok := k.in.(*os.File); ok {
			if i, err := f.Stat(); err == nil && i.Mode()&os.ModeCharDevice != 0 {
				k.mode = 'C'
			}
		}
		k.notice("Auto-selecting %s mode (use -P or -C to override)", map[byte]string{'P': "Producer", 'C': "Consumer"}[k.mode])
	}
	if len(k.files) == 0 {
		if path := os.Getenv("KCAT_CONFIG"); path != "" {
			k.files = []string{path}
		} else if home, err := os.UserHomeDir(); err == nil {
			if path := filepath.Join(home, ".config", "kcat.conf"); exists(path) {
				k.files = []string{path}
				k.notice("Reading configuration from file %s", path)
			}
		}
	}
	if k.brokers != "" {
		k.props["bootstrap.servers"] = k.brokers
	}
	switch {
	case k.mode == 'G' && len(k.topics)+len(k.rest) == 0:
		return kcatError{errors.New("-G: the topics to subscribe to are missing")}
	case strings.ContainsRune("CPQ", rune(k.mode)) && len(k.topics) == 0:
		return kcatError{errors.New("-t <topic> missing")}
	case k.mode == 'P' && len(k.topics) > 1:
		return kcatError{errors.New("-P writes to one topic: give -t once")}
	case k.mode == 'P' && k.lines && len(k.rest) > 1:
		return errors.New("only one file allowed for line mode (-l)")
	case k.mode != 'P' && k.mode != 'G' && len(k.rest) > 0:
		return kcatError{fmt.Errorf("unexpected argument %q", k.rest[0])}
	case k.delimiter == "" && k.mode == 'P':
		return errors.New("-D: a delimiter is wanted")
	}
	return nil
}

// gate is a writer for the command and for the log, which speaks on a goroutine of its own, also a moment after the command has ended: then nothing passes any more.
type gate struct {
	mu   sync.Mutex
	to   io.Writer
	shut bool
}

func (g *gate) Write(b []byte) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.shut {
		return len(b), nil
	}
	return g.to.Write(b)
}

func (g *gate) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.shut = true
}

func exists(path string) bool { _, err := os.Stat(path); return err == nil }

// notice says something besides, unless -q is given.
func (k *kcat) notice(format string, args ...any) {
	if !k.quiet {
		fmt.Fprintf(k.errs, "%% "+format+"\n", args...)
	}
}

func (k *kcat) dial(ctx context.Context) (*api.Client, error) {
	opts := []api.ClientOption{api.Profile("librdkafka"), api.Logger(slog.New(slog.NewTextHandler(k.errs, &slog.HandlerOptions{Level: k.logs})))}
	for _, f := range k.files {
		opts = append(opts, api.File(f))
	}
	ctx, cancel := context.WithTimeout(ctx, k.timeout)
	defer cancel()
	return api.Dial(ctx, append(opts, api.Properties(k.props))...)
}

// repeated collects the values of a flag that may be given several times.
type repeated []string

func (r *repeated) Set(value string, _ getopt.Option) error { *r = append(*r, value); return nil }
func (r *repeated) String() string                          { return "" }

// counter counts how often a flag is given.
type counter int

func (c *counter) Set(string, getopt.Option) error { *c++; return nil }
func (c *counter) String() string                  { return "" }

// unescape reads \n \t \r \\, \xNN and \NNN (a decimal number) as kcat does.
func unescape(s string) (string, error) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			b.WriteByte(s[i])
			continue
		}
		i++
		switch c := s[i]; {
		case c == 'n':
			b.WriteByte('\n')
		case c == 't':
			b.WriteByte('\t')
		case c == 'r':
			b.WriteByte('\r')
		case c == 'x' && i+2 < len(s):
			n, err := strconv.ParseUint(s[i+1:i+3], 16, 8)
			if err != nil {
				return "", fmt.Errorf("%q: \\x is followed by two hexadecimal digits", s)
			}
			b.WriteByte(byte(n))
			i += 2
		case c >= '0' && c <= '9':
			n := 0
			for end := min(i+3, len(s)); i < end && s[i] >= '0' && s[i] <= '9'; i++ {
				n = 10*n + int(s[i]-'0')
			}
			i--
			b.WriteByte(byte(n))
		default:
			b.WriteByte(c)
		}
	}
	return b.String(), nil
}

const kcatUsage = `usage: kactor FLAGS [files | topics], as kcat's

  -C | -P | -L | -Q | -G GROUP   read, write, list the cluster, ask for offsets, read as a member of a group (topics behind it; ^ begins a regular expression)
  -b HOSTS  -t TOPIC  -p PARTITION  -c COUNT  -m SECONDS (to wait for metadata, 5)  -q (quiet)  -v, -d WHAT (the client's log, all of it)  -V (version)
  -D DELIMITER of records (\n)  -K DELIMITER behind keys  \n \t \r \xNN are understood
  -X name=value  -X list (all properties)  -F FILE of properties (KCAT_CONFIG, ~/.config/kcat.conf)

 reading:  -o beginning | end | stored | N | -N | s@MILLISECONDS | e@MILLISECONDS  -e (end at the end)  -E (go on after an error)  -f FORMAT | -J (JSON)  -O (offsets before keys)  -Z (null is NULL)  -u (unbuffered)  -s [key=|value=]PACK
 writing:  -k KEY  -H name=value  -z CODEC  -l (the file has lines)  -T (print what is written)  -Z (an empty value is null)  FILES, each one record
 -L [-t TOPIC] [-J]                -Q -t TOPIC:PARTITION:MILLISECONDS ...

 FORMAT:  %s value  %S its length  %R its length as four bytes  %k key  %K its length  %t topic  %p partition  %o offset  %T timestamp  %h headers
`
