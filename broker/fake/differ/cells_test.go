package differ

import (
	"bytes"
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const (
	module = "github.com/kactor-go/kactor/"
	fake   = module + "broker/fake"
)

// elsewhere are functions that give codes, and that no handler uses: with the API that gets them, "" for none.
var elsewhere = map[string]string{
	"unknownApiVersions": "ApiVersions", // of versions that there are not
	"producerRules":      "Produce",     // codes as rules of a release
}

// fails are functions that answer requests with a code, be it those of others that wait: by the API of the answer.
var fails = map[string]string{"failJoin": "JoinGroup", "failSync": "SyncGroup"}

// The list of cells has every code that the fake's source gives in answers of an API, and no other: what an API can answer is told by the functions that its handler uses. What those give that the API cannot answer for
// another reason is in the list with that.
func TestTheListOfCellsIsWholeAsTheSourceHasIt(t *testing.T) {
	cells, err := Cells("4.3")
	if err != nil {
		t.Fatal(err)
	}
	given := readSource(t).cells(t)
	for _, c := range slices.SortedFunc(maps.Keys(given), compareCells) {
		if _, ok := cells[c]; !ok {
			t.Errorf("%s is not in testdata/cells/4.3.txt: it is given in %s. Let a script get it, or say what keeps it from that", c, given[c])
		}
	}
	for _, c := range slices.SortedFunc(maps.Keys(cells), compareCells) {
		if given[c] == "" {
			t.Errorf("%s is in testdata/cells/4.3.txt, and nothing gives it", c)
		}
	}
}

// source is what the fake's files say of codes.
type source struct {
	info     *types.Info
	gives    map[types.Object]map[string]bool       // codes that a function gives
	answers  map[types.Object]map[Cell]bool         // those that it gives in answers of an API, whoever has asked for what
	uses     map[types.Object]map[types.Object]bool // functions that a function uses
	handlers map[string]types.Object                // by API
}

func readSource(t *testing.T) *source {
	t.Helper()
	names, err := filepath.Glob("../*.go")
	if err != nil {
		t.Fatal(err)
	}
	fset := token.NewFileSet()
	var files []*ast.File
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(fset, name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	s := &source{&types.Info{Uses: map[*ast.Ident]types.Object{}, Defs: map[*ast.Ident]types.Object{}}, map[types.Object]map[string]bool{}, map[types.Object]map[Cell]bool{}, map[types.Object]map[types.Object]bool{},
		map[string]types.Object{}}
	cfg := types.Config{Importer: importer.ForCompiler(fset, "gc", exported(t))}
	if _, err := cfg.Check(fake, fset, files, s.info); err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Body != nil {
				s.function(s.info.Defs[fn.Name], fn.Body)
			}
		}
	}
	return s
}

// exported finds what the compiler has told of the packages that the fake imports.
func exported(t *testing.T) func(path string) (io.ReadCloser, error) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-export", "-deps", "-f", "{{.ImportPath}} {{.Export}}", fake).Output()
	if err != nil {
		t.Fatal(err)
	}
	at := map[string]string{}
	for line := range bytes.Lines(out) {
		path, file, _ := strings.Cut(strings.TrimSpace(string(line)), " ")
		at[path] = file
	}
	return func(path string) (io.ReadCloser, error) {
		if at[path] == "" {
			return nil, errors.New(path + " is not there")
		}
		return os.Open(at[path])
	}
}

// function takes down what a function gives and uses. A code that something is compared with is not given, and neither is one that is in an error of Go's.
func (s *source) function(fn types.Object, body *ast.BlockStmt) {
	s.gives[fn], s.answers[fn], s.uses[fn] = map[string]bool{}, map[Cell]bool{}, map[types.Object]bool{}
	skip := map[ast.Node]bool{}
	ast.Inspect(body, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.BinaryExpr:
			if n.Op == token.EQL || n.Op == token.NEQ {
				skip[n.X], skip[n.Y] = true, true
			}
		case *ast.SwitchStmt:
			if n.Tag != nil {
				for _, c := range n.Body.List {
					for _, e := range c.(*ast.CaseClause).List {
						skip[e] = true
					}
				}
			}
		case *ast.CallExpr:
			if f, ok := n.Fun.(*ast.SelectorExpr); ok {
				if f.Sel.Name == "Errorf" {
					return false
				}
				for _, a := range n.Args {
					for _, name := range s.codesIn(a) {
						if api := fails[f.Sel.Name]; api != "" {
							s.answers[fn][Cell{api, name}], skip[a] = true, true
						}
					}
				}
			}
		case *ast.CompositeLit:
			if t, ok := n.Type.(*ast.SelectorExpr); ok && strings.HasSuffix(t.Sel.Name, "Response") {
				for _, name := range s.codesIn(n) {
					s.answers[fn][Cell{strings.TrimSuffix(t.Sel.Name, "Response"), name}] = true
				}
				for _, e := range n.Elts {
					if kv, ok := e.(*ast.KeyValueExpr); ok && strings.HasSuffix(fmt.Sprint(kv.Key), "ErrorCode") {
						skip[kv.Value] = len(s.codesIn(kv.Value)) > 0
					}
				}
			}
		case *ast.KeyValueExpr:
			if h, ok := n.Value.(*ast.SelectorExpr); ok {
				if api, ok := n.Key.(*ast.SelectorExpr); ok && strings.HasSuffix(api.Sel.Name, "API") {
					s.handlers[strings.TrimSuffix(api.Sel.Name, "API")] = s.info.Uses[h.Sel]
				}
			}
		case *ast.Ident:
			switch o := s.info.Uses[n].(type) {
			case *types.Const:
				if o.Type().String() == module+"protocol.Code" {
					s.gives[fn][nameOf(o)] = true
				}
			case *types.Func:
				s.uses[fn][o] = true
			}
		}
		return !skip[n]
	})
}

// codesIn gives the codes that an expression names.
func (s *source) codesIn(e ast.Node) (names []string) {
	ast.Inspect(e, func(n ast.Node) bool {
		if id, ok := n.(*ast.Ident); ok {
			if o, ok := s.info.Uses[id].(*types.Const); ok && o.Type().String() == module+"protocol.Code" {
				names = append(names, nameOf(o))
			}
		}
		return true
	})
	return names
}

// nameOf is what Kafka calls a code.
func nameOf(o *types.Const) string {
	var code int16
	if _, err := fmt.Sscan(o.Val().String(), &code); err != nil {
		panic(err)
	}
	return codeName(code)
}

// cells gives all cells, each with where it comes from: the functions from the handler on.
func (s *source) cells(t *testing.T) map[Cell]string {
	t.Helper()
	out, reached := map[Cell]string{}, map[types.Object]bool{}
	for _, api := range slices.Sorted(maps.Keys(s.handlers)) {
		out[Cell{api, codeName(0)}] = s.handlers[api].Name()
		s.walk(api, s.handlers[api], "", map[types.Object]bool{}, reached, out)
	}
	for fn := range s.gives {
		api, ok := elsewhere[fn.Name()]
		if ok {
			s.walk(api, fn, "", map[types.Object]bool{}, reached, out)
		} else if !reached[fn] && len(s.gives[fn]) > 0 && !slices.Equal(slices.Collect(maps.Keys(s.gives[fn])), []string{codeName(0)}) {
			t.Errorf("%s gives codes, and no handler uses it: whose answers are they in?", fn.Name())
		}
	}
	out[Cell{"Produce", closed}] = "produce, where nobody waits for an answer"
	return out
}

func (s *source) walk(api string, fn types.Object, path string, seen, reached map[types.Object]bool, out map[Cell]string) {
	if seen[fn] || s.gives[fn] == nil || fn.Name() == "reply" { // the connection goes on with its next request
		return
	}
	seen[fn], reached[fn] = true, true
	path = strings.TrimSpace(path + " " + fn.Name())
	for name := range s.gives[fn] {
		if c := (Cell{api, name}); out[c] == "" {
			out[c] = path
		}
	}
	for c := range s.answers[fn] {
		if out[c] == "" {
			out[c] = path
		}
	}
	for used := range s.uses[fn] {
		s.walk(api, used, path, seen, reached, out)
	}
}

// A list tells what cannot be reached from what was not.
func TestCellsAreCounted(t *testing.T) {
	cells, err := parseCells("# people\nA\n  NONE\n  X\n  Y needs a second broker\n  Z needs a fault\nB\n  NONE\n")
	if err != nil || len(cells) != 5 || cells[Cell{"A", "Y"}] != "needs a second broker" {
		t.Fatal(cells, err)
	}
	c := &Cover{}
	c.add("A", 0, []line{{"A.ErrorCode", "NONE"}, {"A.T[0].ErrorCode", "Z"}})
	c.add("B", 0, []line{{"B.X", "1"}})
	c.add("B", 0, []line{{"B.closed", "true"}})
	got, want := c.Reached(cells), Reached{5, 3, 1, []Cell{{"A", "X"}}, []Cell{{"A", "Z"}, {"B", closed}}}
	if fmt.Sprint(*got) != fmt.Sprint(want) {
		t.Errorf("%v, not %v", *got, want)
	}
	for _, wrong := range []string{"A\n  X\n  X\n", "  X\n"} {
		if _, err := parseCells(wrong); err == nil {
			t.Errorf("%q is a list", wrong)
		}
	}
}
