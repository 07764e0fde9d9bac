package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// cores are the packages whose tests explore small worlds (actors/sim/explore). A bug in one of them may be found there, too, and then by the shortest history there is.
var cores = []string{"sender/internal/drain", "broker/internal/conn", "coordinator/internal/member", "fetcher/internal/plan", "broker/fake", "api/internal/lanes", "fetcher", "broker/internal/meta"}

// ofCore gives the bugs in a core.
func ofCore(core string) (out []mutation) {
	for _, m := range all() {
		if filepath.Dir(m.file) == core {
			out = append(out, m)
		}
	}
	return out
}

// history is how a bug shows in a small world.
type history struct {
	core, world string
	wrong       string
	events      []string
}

// String is a line of testdata/worlds.txt, but for the name of the bug.
func (h history) String() string {
	return strings.TrimSpace(fmt.Sprintf("%s, %s: %s, after %d: %s", h.core, h.world, h.wrong, len(h.events), strings.Join(h.events, "; ")))
}

// worlds plays, with each bug awake that is in a core, the small world where it has shown: it must show there as before. With update all worlds are played, with all bugs in cores.
func worlds(only string, update bool) error {
	b, err := prepare(only, all())
	if err != nil {
		return err
	}
	defer b.remove()
	known, err := readWorlds(here)
	if err != nil {
		return err
	}
	var wrong []error
	for _, core := range cores {
		binary, err := b.compile(core)
		if err != nil {
			return err
		}
		bugs := b.choose(ofCore(core))
		where := map[string]string{}
		for _, m := range bugs {
			_, rest, _ := strings.Cut(known[m.name], core+", ")
			where[m.name], _, _ = strings.Cut(rest, ": ")
		}
		if !update {
			bugs = slices.DeleteFunc(bugs, func(m mutation) bool { return where[m.name] == "" })
		} else {
			clear(where)
		}
		if len(bugs) == 0 {
			continue
		}
		if _, out, err := explore(binary, core, "", ""); err != nil || out != "" {
			return errors.Join(fmt.Errorf("the worlds of %s fail without a bug, too:\n%s", core, out), err)
		}
		found, errs := make([]*history, len(bugs)), make([]error, len(bugs))
		each(len(bugs), func(i int) { found[i], _, errs[i] = explore(binary, core, bugs[i].name, where[bugs[i].name]) })
		for i, m := range bugs {
			line := ""
			if found[i] != nil {
				line = found[i].String()
			}
			switch {
			case errs[i] != nil:
				wrong = append(wrong, fmt.Errorf("%s: %w", m.name, errs[i]))
			case line == "":
				fmt.Printf("not found  %s\n", m.name)
			default:
				fmt.Printf("found      %s\n           %s\n", m.name, line)
			}
			if known[m.name] != line && !update && errs[i] == nil {
				wrong = append(wrong, fmt.Errorf("%s: testdata/worlds.txt has %q, and it is %q now; -update renews it", m.name, known[m.name], line))
			}
			if delete(known, m.name); line != "" {
				known[m.name] = line
			}
		}
	}
	if update {
		wrong = append(wrong, writeWorlds(here, known))
	}
	return errors.Join(wrong...)
}

var wrongWorld = regexp.MustCompile(`world "([^"]*)": wrong after (\d+) events: (.*)((?:\n\s+\d+ .*)*)`)

// explore plays a world of a core, or all (""), with a bug awake, or none (""). It gives the shortest history that is wrong, and what a test says that has failed.
func explore(binary, core, bug, world string) (h *history, said string, err error) {
	run := "^TestWorlds$"
	if world != "" {
		run += "/^" + regexp.QuoteMeta(strings.ReplaceAll(world, " ", "_")) + "$"
	}
	c := exec.Command(binary, "-test.run", run, "-test.timeout", "20m")
	c.Dir = core
	c.Env = append(os.Environ(), awake+"="+bug)
	out, err := c.CombinedOutput()
	if err == nil {
		return nil, "", nil
	}
	if !failed.Match(out) {
		return nil, "", fmt.Errorf("the test could not be run: %w\n%s", err, out)
	}
	for _, m := range wrongWorld.FindAllStringSubmatch(string(out), -1) {
		if n, _ := strconv.Atoi(m[2]); h == nil || n < len(h.events) {
			h = &history{core: core, world: m[1], wrong: m[3], events: make([]string, 0, n)}
			for line := range strings.Lines(strings.TrimSpace(m[4])) {
				_, event, _ := strings.Cut(strings.TrimSpace(line), " ")
				h.events = append(h.events, event)
			}
		}
	}
	return h, string(out), nil
}

// readWorlds reads testdata/worlds.txt below dir: by the name of a bug how it shows in a small world.
func readWorlds(dir string) (map[string]string, error) {
	text, err := os.ReadFile(filepath.Join(dir, "testdata", "worlds.txt"))
	if err != nil {
		return nil, err
	}
	lines := map[string]string{}
	for line := range strings.Lines(string(text)) {
		name, how, ok := strings.Cut(strings.TrimSpace(line), " # ")
		if ok && !strings.HasPrefix(line, "#") {
			lines[name] = how
		}
	}
	return lines, nil
}

// writeWorlds writes it anew, in the order of the bugs.
func writeWorlds(dir string, lines map[string]string) error {
	var out strings.Builder
	out.WriteString("# How bugs show in the small worlds: the bug, the core, the world, what is wrong, and the shortest history. Renewed with: go run ./actors/sim/internal/mutate -worlds -update\n")
	for _, m := range all() {
		if how := lines[m.name]; how != "" {
			fmt.Fprintf(&out, "%s # %s\n", m.name, how)
		}
	}
	return os.WriteFile(filepath.Join(dir, "testdata", "worlds.txt"), []byte(out.String()), 0o644)
}
