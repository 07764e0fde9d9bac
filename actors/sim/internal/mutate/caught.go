package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// readCaught reads testdata/caught.txt below dir: by the name of a bug the test that has caught it, and that test's flags.
func readCaught(dir string) (map[string]string, error) {
	text, err := os.ReadFile(filepath.Join(dir, "testdata", "caught.txt"))
	if err != nil {
		return nil, err
	}
	lines := map[string]string{}
	for line := range strings.Lines(string(text)) {
		how, name, _ := strings.Cut(strings.TrimSpace(line), " # ")
		if how != "" && !strings.HasPrefix(how, "#") {
			lines[name] = how
		}
	}
	return lines, nil
}

// writeCaught writes it anew, in the order of the bugs.
func writeCaught(dir string, lines map[string]string) error {
	var out strings.Builder
	out.WriteString("# What catches each bug: a test of the simulator, its flags, the bug. Renewed with: go run ./actors/sim/internal/mutate -update\n")
	for _, m := range all() {
		if how := lines[m.name]; how != "" {
			fmt.Fprintf(&out, "%s # %s\n", how, m.name)
		}
	}
	return os.WriteFile(filepath.Join(dir, "testdata", "caught.txt"), []byte(out.String()), 0o644)
}
