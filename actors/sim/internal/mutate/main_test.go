package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var root = filepath.Join("..", "..", "..", "..")

// TestEveryBugCanBePlanted finds out that one cannot be planted any more, because the code has changed, before somebody tries.
func TestEveryBugCanBePlanted(t *testing.T) {
	files, err := plant(root, all())
	if err != nil {
		t.Error(err)
	}
	for name, text := range files {
		if _, err := parse(text); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestCaughtIsOfBugs finds lines of testdata/caught.txt that are of no bug. A bug without a line is looked for in the whole swarm.
func TestCaughtIsOfBugs(t *testing.T) {
	lines, err := readCaught(filepath.Join(root, here))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range all() {
		delete(lines, m.name)
	}
	for name := range lines {
		t.Errorf("testdata/caught.txt has %q: there is no such bug", name)
	}
}

// TestWorldsIsOfBugs finds lines of testdata/worlds.txt that are of no bug in that core.
func TestWorldsIsOfBugs(t *testing.T) {
	lines, err := readWorlds(filepath.Join(root, here))
	if err != nil {
		t.Fatal(err)
	}
	for _, core := range cores {
		for _, m := range ofCore(core) {
			if strings.HasPrefix(lines[m.name], core+", ") {
				delete(lines, m.name)
			}
		}
	}
	for name, how := range lines {
		t.Errorf("testdata/worlds.txt has %q: there is no such bug where it is said to show: %s", name, how)
	}
}

// TestBugsShowInSmallWorlds plants all bugs, and plays small worlds of two cores without one, and with one awake: it shows as testdata/worlds.txt tells.
func TestBugsShowInSmallWorlds(t *testing.T) {
	t.Chdir(root)
	lines, err := readWorlds(here)
	if err != nil {
		t.Fatal(err)
	}
	b, err := prepare("", all())
	if err != nil {
		t.Fatal(err)
	}
	defer b.remove()
	for _, c := range []struct{ bug, core, world string }{
		{"promise completed twice", "sender/internal/drain", "time passes"},
		{"reset to the wrong end", "fetcher/internal/plan", "records are deleted"},
	} {
		binary, err := b.compile(c.core)
		if err != nil {
			t.Fatal(err)
		}
		if _, said, err := explore(binary, c.core, "", c.world); said != "" || err != nil {
			t.Errorf("%s: world %q fails without a bug: %s%v", c.core, c.world, said, err)
		}
		switch h, said, err := explore(binary, c.core, c.bug, c.world); {
		case h == nil:
			t.Errorf("%s: world %q does not show it: %s%v", c.bug, c.world, said, err)
		case h.String() != lines[c.bug]:
			t.Errorf("%s: it shows so: %s\ntestdata/worlds.txt has %s", c.bug, h, lines[c.bug])
		}
	}
}

// TestAHistoryWithoutEventsIsReadAsItWasWritten is of a world in which the first state is wrong already.
func TestAHistoryWithoutEventsIsReadAsItWasWritten(t *testing.T) {
	dir, name := t.TempDir(), ofCore(cores[0])[0].name
	if err := os.Mkdir(filepath.Join(dir, "testdata"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, events := range [][]string{nil, {"a"}, {"a", "b"}} {
		want := history{core: cores[0], world: "w", wrong: "it never rests", events: events}.String()
		if err := writeWorlds(dir, map[string]string{name: want}); err != nil {
			t.Fatal(err)
		}
		if got, err := readWorlds(dir); err != nil || got[name] != want {
			t.Errorf("%q is read as %q, %v", want, got[name], err)
		}
	}
}

// TestPlant has a file with two bugs in a function, one in a variable, and some that cannot be planted.
func TestPlant(t *testing.T) {
	const source = `package p // as it was

var table = []int{1, 2}

func (c *core) add(now int, more ...int) (sum int) {
	return now + 1
}

func (c *core) end() { c.over = true }

func nameless(int) {}
`
	f := &field{}
	var err error
	if f.good, err = parse(source); err != nil {
		t.Fatal(err)
	}
	for i, m := range []mutation{{"two", "p.go", "now + 1", "now + 2"}, {"never", "p.go", "c.over = true", ""}, {"three", "p.go", "now + 1", "now + 3"}, {"large", "p.go", "2}", "200}"}} {
		if err := f.plant(i, m); err != nil {
			t.Error(err)
		}
	}
	for _, m := range []mutation{{"comment", "p.go", "as it was", "as it is"}, {"nameless", "p.go", "(int) {", "(int) { return"}, {"signature", "p.go", "(sum int)", "(sum int64)"}, {"often", "p.go", "core", "heart"},
		{"another", "p.go", "func nameless", "var n = 1\n\nfunc nameless"}, {"nonsense", "p.go", "return now", "return ("}} {
		if err := f.plant(9, m); err == nil {
			t.Errorf("%s: it was planted", m.name)
		}
	}
	const want = `package p // as it was

var table = []int{1, 2}

func (c *core) add(now int, more ...int) (sum int) { if plantedBug == "two" { return c.add_0(now, more...) }; if plantedBug == "three" { return c.add_2(now, more...) };
	return now + 1
}

func (c *core) end() { if plantedBug == "never" { c.end_1(); return }; c.over = true }

func nameless(int) {}

//line two:5
func (c *core) add_0(now int, more ...int) (sum int) {
	return now + 2
}

//line never:9
func (c *core) end_1() {  }

//line three:5
func (c *core) add_2(now int, more ...int) (sum int) {
	return now + 3
}

//line large:3
func init() { if plantedBug == "large" { table = []int{1, 200} } }
`
	if got := f.text(); got != want {
		t.Errorf("the file is\n%s\nand not\n%s", strings.ReplaceAll(got, "\t", "    "), strings.ReplaceAll(want, "\t", "    "))
	}
}
