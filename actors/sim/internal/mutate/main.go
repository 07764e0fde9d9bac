// Command mutate plants bugs in the client, and some in the fake, and sees to it that the swarm of simulated worlds, or a seed that was kept, catches each. The sources stay as they are: patched copies are laid over them
// while the test is built, once, with all bugs asleep in it; then each is woken in a process of its own.
//
//	go run ./actors/sim/internal/mutate [-seeds N] [-only NAME] [-update]
//	go run ./actors/sim/internal/mutate -worlds [-only NAME] [-update]
//
// testdata/caught.txt tells which seed has caught a bug: it is played first. Only if it passes the whole swarm is played, and the line has to be renewed (-update); what no seed
// catches must show in a small world. With -worlds those bugs in the cores
// that show in a small world, by the shortest history there is (testdata/worlds.txt), must show in it again; with -update, too, all of them are looked for in all small worlds, which takes long.
//
//	bugs.go     the bugs                    plant.go    how they are planted
//	caught.go   testdata/caught.txt         main.go     building and playing
//	worlds.go   small worlds, and testdata/worlds.txt
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
)

func main() {
	seeds := flag.Int("seeds", 2000, "seeds for a bug that is not caught by what caught it last")
	only := flag.String("only", "", "wake only the bugs whose names match this expression")
	update := flag.Bool("update", false, "renew testdata/caught.txt, or testdata/worlds.txt")
	small := flag.Bool("worlds", false, "play the small worlds of the cores instead of seeds")
	flag.Parse()
	err := error(nil)
	if *small {
		err = worlds(*only, *update)
	} else {
		err = mutate(*seeds, *only, *update)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutate:", err)
		os.Exit(1)
	}
}

// here is this package, from the root of the module.
const here = "actors/sim/internal/mutate"

func mutate(seeds int, only string, update bool) error {
	b, err := prepare(only, all())
	if err != nil {
		return err
	}
	defer b.remove()
	lines, err := readCaught(here)
	if err != nil {
		return err
	}
	small, err := readWorlds(here)
	if err != nil {
		return err
	}
	binary, err := b.compile("actors/sim")
	if err != nil {
		return err
	}
	t := &tester{binary}
	chosen := b.choose(all())
	tests := map[string][]string{}
	for _, s := range suites {
		for _, m := range s.bugs {
			tests[m.name] = s.tests
		}
	}
	outcomes := make([]outcome, len(chosen))
	each(len(chosen), func(i int) { outcomes[i] = t.again(chosen[i].name, lines[chosen[i].name]) })
	missed, old := 0, 0
	for i, m := range chosen {
		o := outcomes[i]
		if o.err == nil && o.how == "" {
			if o = t.search(m.name, tests[m.name], seeds); o.how != "" {
				lines[m.name] = o.line
				old++
			}
		}
		switch {
		case o.err != nil:
			fmt.Printf("error   %s: %v\n", m.name, o.err)
			missed++
		case o.how == "" && small[m.name] != "":
			fmt.Printf("left    %s: %d seeds passed, and it shows in a small world (-worlds)\n", m.name, seeds)
		case o.how == "":
			fmt.Printf("missed  %s: %d seeds passed\n", m.name, seeds)
			missed++
		default:
			fmt.Printf("caught  %s: %s\n        %s\n", m.name, o.how, o.line)
		}
	}
	switch {
	case update:
		err = writeCaught(here, lines)
	case old > 0:
		fmt.Printf("%d bugs were not caught by what testdata/caught.txt tells of them; -update renews it\n", old)
	}
	if missed > 0 {
		err = errors.Join(err, fmt.Errorf("%d of %d bugs were not caught", missed, len(chosen)))
	}
	return err
}

// all gives every bug.
func all() (out []mutation) {
	for _, s := range suites {
		out = append(out, s.bugs...)
	}
	return out
}

// each calls f with 0 to n-1, on every processor.
func each(n int, f func(i int)) {
	var next atomic.Int64
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for i := next.Add(1) - 1; i < int64(n); i = next.Add(1) - 1 {
				f(int(i))
			}
		})
	}
	wg.Wait()
}

// builder builds tests with bugs in them.
type builder struct {
	match *regexp.Regexp // which bugs are meant
	dir   string
	table string // what is laid over what
}

// prepare plants the bugs. only says which of them are meant.
func prepare(only string, bugs []mutation) (*builder, error) {
	match, err := regexp.Compile(only)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "mutate")
	if err != nil {
		return nil, err
	}
	b := &builder{match: match, dir: dir}
	if b.table, err = overlay(dir, bugs); err != nil {
		b.remove()
		return nil, err
	}
	return b, nil
}

func (b *builder) remove() { os.RemoveAll(b.dir) }

// choose gives those of the bugs that are meant.
func (b *builder) choose(bugs []mutation) (out []mutation) {
	for _, m := range bugs {
		if b.match.MatchString(m.name) {
			out = append(out, m)
		}
	}
	return out
}

// compile builds the test of a package.
func (b *builder) compile(folder string) (binary string, err error) {
	binary = filepath.Join(b.dir, strings.ReplaceAll(folder, "/", "-")+".test")
	if out, err := exec.Command("go", "test", "-c", "-o", binary, "-overlay", b.table, "-ldflags", "-s -w", "./"+folder).CombinedOutput(); err != nil {
		return "", fmt.Errorf("the test of %s could not be built: %w\n%s", folder, err, out)
	}
	return binary, nil
}

// overlay plants the bugs and writes the table of what is laid over what into dir.
func overlay(dir string, bugs []mutation) (string, error) {
	files, err := plant(".", bugs)
	if err != nil {
		return "", err
	}
	replace := map[string]string{}
	for name, text := range files {
		from, err := filepath.Abs(name)
		if err != nil {
			return "", err
		}
		replace[from] = filepath.Join(dir, strings.ReplaceAll(name, "/", "-"))
		if err := os.WriteFile(replace[from], []byte(text), 0o600); err != nil {
			return "", err
		}
	}
	text, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	table := filepath.Join(dir, "overlay.json")
	return table, os.WriteFile(table, text, 0o600)
}

// tester is the test of the simulator, with the bugs in it.
type tester struct{ binary string }

// outcome is what became of a bug.
type outcome struct {
	how  string // the first report of a failing test; empty: all have passed
	line string // of testdata/caught.txt
	err  error
}

var (
	// failing is what a test says that has failed. The swarms also tell of seeds that pass, without "after".
	failing = regexp.MustCompile(`(?m)^\s*(?:(?:swarm|groups|transactions|lives|seeds|tampered)_test\.go:\d+: seed \d+, after|recovery_test\.go:\d+: [^\n]*, seed \d+: |(?:script|failing|moving|full)_test\.go:\d+: (?:seed|swarm|groups|transactions|lives) )[^\n]*(?:\n\s+\S[^\n]*)?`)
	// replaying is what it says of how to see that again.
	replaying = regexp.MustCompile(`replay: go test ./actors/sim -run '(Test\w+)\$'([^\n]*)`)
	failed    = regexp.MustCompile(`(?m)^--- FAIL: (Test\w+)`)
)

// play runs a test with a bug awake; none: without.
func (t *tester) play(bug, test string, flags ...string) (o outcome) {
	c := exec.Command(t.binary, append([]string{"-test.run", test, "-test.timeout", "10m"}, flags...)...)
	c.Dir = "actors/sim"
	c.Env = append(os.Environ(), awake+"="+bug)
	out, err := c.CombinedOutput()
	if err == nil {
		return o
	}
	said, name := failing.Find(out), failed.FindSubmatch(out)
	if said == nil || name == nil {
		o.err = fmt.Errorf("the test could not be run: %w\n%s", err, out)
		return o
	}
	_, what, _ := strings.Cut(string(said), ": ")
	o.how, o.line = strings.Join(strings.Fields(what), " "), string(name[1])
	if again := replaying.FindSubmatch(out); again != nil {
		o.line = string(again[1]) + string(again[2])
	}
	return o
}

// again plays what caught a bug last, which must pass without it.
func (t *tester) again(bug, line string) outcome {
	words := strings.Fields(line)
	if len(words) == 0 {
		return outcome{}
	}
	test, flags := "^"+words[0]+"$", words[1:]
	o := t.play(bug, test, flags...)
	if o.how == "" {
		return o
	}
	o.line = line
	if right := t.play("", test, flags...); right.how != "" || right.err != nil {
		o.err = fmt.Errorf("%s: it fails without the bug, too: %s%v", line, right.how, right.err)
	}
	return o
}

// search plays everything that may catch a bug, until something does.
func (t *tester) search(bug string, tests []string, seeds int) (o outcome) {
	for _, test := range tests {
		if o = t.play(bug, "^"+test, "-seeds", fmt.Sprint(seeds), "-smaller=false"); o.how != "" || o.err != nil {
			break
		}
	}
	return o
}
