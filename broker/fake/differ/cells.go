package differ

import (
	"embed"
	"fmt"
	"maps"
	"slices"
	"strings"
)

//go:embed testdata/cells
var lists embed.FS

// Cell is an error code in the answers of an API. A connection that is closed instead of an answer is one, too.
type Cell struct{ API, Code string }

func (c Cell) String() string { return c.API + " " + c.Code }

// Cells are all that the fake can answer as a release does in a cluster of one broker without faults, and why no script gets it: "" if scripts do. Nil if nobody has made a list for the release.
func Cells(release string) (map[Cell]string, error) {
	text, err := lists.ReadFile("testdata/cells/" + release + ".txt")
	if err != nil {
		return nil, nil
	}
	return parseCells(string(text))
}

// parseCells reads a list: a line with the API, and behind it an indented one for each code, with what keeps scripts from getting it. Lines with # are for people.
func parseCells(text string) (map[Cell]string, error) {
	cells, api := map[Cell]string{}, ""
	for line := range strings.Lines(text) {
		code := strings.TrimSpace(line)
		switch {
		case code == "" || strings.HasPrefix(code, "#"):
		case line[0] != ' ':
			api = code
		default:
			code, why, _ := strings.Cut(code, " ")
			c := Cell{api, code}
			if _, twice := cells[c]; twice || api == "" {
				return nil, fmt.Errorf("differ: list of cells: %s is there twice, or has no API", c)
			}
			cells[c] = strings.TrimSpace(why)
		}
	}
	return cells, nil
}

// Reached holds what was answered against a list of cells.
type Reached struct {
	Cells    int    // in the list
	Reached  int    // of them
	Excused  int    // that scripts do not get, as the list says
	Missed   []Cell // that scripts should have got
	Unlisted []Cell // that were answered, and are not in the list, or as what no script gets
}

// Reached tells which cells of a list the answers had.
func (c *Cover) Reached(cells map[Cell]string) *Reached {
	got := c.cells()
	r := &Reached{Cells: len(cells)}
	for _, cell := range slices.SortedFunc(maps.Keys(cells), compareCells) {
		switch {
		case got[cell]:
			r.Reached++
		case cells[cell] != "":
			r.Excused++
		default:
			r.Missed = append(r.Missed, cell)
		}
	}
	for _, cell := range slices.SortedFunc(maps.Keys(got), compareCells) {
		if why, ok := cells[cell]; !ok || why != "" {
			r.Unlisted = append(r.Unlisted, cell)
		}
	}
	return r
}

func compareCells(a, b Cell) int { return strings.Compare(a.String(), b.String()) }

func (r *Reached) String() string {
	out := fmt.Sprintf("%d of the %d cells (API x code) that the fake can answer were reached, %d cannot be\n", r.Reached, r.Cells, r.Excused)
	for _, c := range r.Missed {
		out += fmt.Sprintf("  not reached: %s\n", c)
	}
	for _, c := range r.Unlisted {
		out += fmt.Sprintf("  NOT IN THE LIST, or as what no script gets: %s\n", c)
	}
	return out
}
