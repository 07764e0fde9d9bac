package main

import (
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

// TestHalfOfTheBugsInCoresShowInSmallWorlds counts what testdata/worlds.txt has.
func TestHalfOfTheBugsInCoresShowInSmallWorlds(t *testing.T) {
	lines, err := readWorlds(filepath.Join(root, here))
	if err != nil {
		t.Fatal(err)
	}
	bugs, shown := 0, 0
	for _, core := range cores {
		for _, m := range ofCore(core) {
			bugs++
			if how := lines[m.name]; strings.HasPrefix(how, core+", ") {
				shown++
			}
			delete(lines, m.name)
		}
	}
	for name := range lines {
		t.Errorf("testdata/worlds.txt has %q: there is no such bug in a core", name)
	}
	if 2*shown < bugs {
		t.Errorf("%d of %d bugs show", shown, bugs)
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
