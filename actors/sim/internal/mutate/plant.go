package main

import (
	"cmp"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// awake is the variable of the environment that names the bug which is to be there.
const awake = "KACTOR_BUG"

// plant gives the files that are laid over those below root, by their names there. They have all bugs at once, each beside what is right, and asleep until it is named:
//
//	func (c *Core) beats() bool { if plantedBug == "heartbeat stopped" { return c.beats_17() }
//		return c.state == Stable || c.state == Giving
//	}
//
// A bug in the value of a variable is awake from the beginning, because the environment does not change.
func plant(root string, bugs []mutation) (files map[string]string, err error) {
	files = map[string]string{}
	fields := map[string]*field{}
	var wrong []error
	for i, m := range bugs {
		f := fields[m.file]
		if f == nil {
			f = &field{}
			if f.good, err = read(root, m.file); err != nil {
				wrong = append(wrong, fmt.Errorf("%s: %w", m.name, err))
				continue
			}
			fields[m.file] = f
		}
		if err := f.plant(i, m); err != nil {
			wrong = append(wrong, fmt.Errorf("%s: %w", m.name, err))
		}
	}
	for name, f := range fields {
		files[name] = f.text()
		files[path.Join(path.Dir(name), "planted_bug.go")] = fmt.Sprintf("package %s\n\nimport \"os\"\n\nvar plantedBug = os.Getenv(%q)\n", f.good.tree.Name.Name, awake)
	}
	return files, errors.Join(wrong...)
}

// field is a file in which bugs are planted.
type field struct {
	good    *code
	inserts []insert
	behind  strings.Builder
}

type insert struct {
	at   int
	text string
}

// plant adds bug number i.
func (f *field) plant(i int, m mutation) error {
	if n := strings.Count(f.good.text, m.old); n != 1 {
		return fmt.Errorf("%s has changed: what is to be replaced is there %d times", m.file, n)
	}
	bad, err := parse(strings.Replace(f.good.text, m.old, m.new, 1))
	if err != nil {
		return err
	}
	if len(bad.tree.Decls) != len(f.good.tree.Decls) {
		return fmt.Errorf("%s has other declarations with the bug", m.file)
	}
	same := true
	for k, d := range f.good.tree.Decls {
		e := bad.tree.Decls[k]
		if f.good.of(d) == bad.of(e) {
			continue
		}
		same = false
		switch d := d.(type) {
		case *ast.FuncDecl:
			err = f.function(i, m, d, bad, e)
		case *ast.GenDecl:
			err = f.values(m, d, bad, e)
		default:
			err = errNowhere
		}
		if err != nil {
			return fmt.Errorf("%s: line %d: %w", m.file, f.good.line(d), err)
		}
	}
	if same {
		return errNowhere
	}
	return nil
}

var errNowhere = errors.New("a bug can be planted in the body of a function whose parameters have names, or in the value of a variable")

// function puts the bad function behind the good one, which calls it.
func (f *field) function(i int, m mutation, good *ast.FuncDecl, bad *code, e ast.Decl) error {
	other, ok := e.(*ast.FuncDecl)
	if !ok || other.Body == nil || good.Body == nil || good.Type.TypeParams != nil || f.good.between(good.Pos(), good.Body.Pos()) != bad.between(other.Pos(), other.Body.Pos()) {
		return errNowhere
	}
	name := fmt.Sprintf("%s_%d", good.Name.Name, i)
	call := name
	if good.Recv != nil {
		receiver := names(good.Recv)
		if receiver == nil {
			return errNowhere
		}
		call = receiver[0] + "." + name
	}
	arguments := names(good.Type.Params)
	if arguments == nil && len(good.Type.Params.List) > 0 {
		return errNowhere
	}
	call += "(" + strings.Join(arguments, ", ") + ")"
	if good.Type.Results == nil {
		call += "; return"
	} else {
		call = "return " + call
	}
	f.inserts = append(f.inserts, insert{f.good.offset(good.Body.Lbrace) + 1, fmt.Sprintf(" if plantedBug == %q { %s };", m.name, call)})
	fmt.Fprintf(&f.behind, "\n//line %s:%d\n%s%s%s\n", m.name, bad.line(other), bad.between(other.Pos(), other.Name.Pos()), name, bad.between(other.Name.End(), other.End()))
	return nil
}

// names gives the names of parameters as arguments; nil when one has none.
func names(list *ast.FieldList) (out []string) {
	for _, p := range list.List {
		if len(p.Names) == 0 {
			return nil
		}
		for _, n := range p.Names {
			if n.Name == "_" {
				return nil
			}
			if _, many := p.Type.(*ast.Ellipsis); many {
				out = append(out, n.Name+"...")
			} else {
				out = append(out, n.Name)
			}
		}
	}
	return out
}

// values lets variables have bad values.
func (f *field) values(m mutation, good *ast.GenDecl, bad *code, e ast.Decl) error {
	other, ok := e.(*ast.GenDecl)
	if !ok || good.Tok != token.VAR || other.Tok != token.VAR || len(good.Specs) != len(other.Specs) {
		return errNowhere
	}
	for k, s := range good.Specs {
		t := other.Specs[k].(*ast.ValueSpec)
		if f.good.of(s) == bad.of(t) {
			continue
		}
		if len(t.Names) != 1 || len(t.Values) != 1 {
			return errNowhere
		}
		fmt.Fprintf(&f.behind, "\n//line %s:%d\nfunc init() { if plantedBug == %q { %s = %s } }\n", m.name, bad.line(t), m.name, t.Names[0].Name, bad.of(t.Values[0]))
	}
	return nil
}

// text is the file with the bugs.
func (f *field) text() string {
	slices.SortStableFunc(f.inserts, func(a, b insert) int { return cmp.Compare(a.at, b.at) })
	var out strings.Builder
	at := 0
	for _, in := range f.inserts {
		out.WriteString(f.good.text[at:in.at] + in.text)
		at = in.at
	}
	out.WriteString(f.good.text[at:] + f.behind.String())
	return out.String()
}

// code is a file, and what it is made of.
type code struct {
	text string
	set  *token.FileSet
	tree *ast.File
}

func read(root, name string) (*code, error) {
	text, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		return nil, err
	}
	return parse(string(text))
}

func parse(text string) (*code, error) {
	c := &code{text: text, set: token.NewFileSet()}
	var err error
	c.tree, err = parser.ParseFile(c.set, "", text, parser.SkipObjectResolution)
	return c, err
}

func (c *code) offset(p token.Pos) int            { return c.set.PositionFor(p, false).Offset }
func (c *code) line(n ast.Node) int               { return c.set.PositionFor(n.Pos(), false).Line }
func (c *code) between(from, to token.Pos) string { return c.text[c.offset(from):c.offset(to)] }
func (c *code) of(n ast.Node) string              { return c.between(n.Pos(), n.End()) }
