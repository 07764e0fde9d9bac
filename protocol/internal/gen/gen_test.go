package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// What is committed is what the generator makes of the facts, byte for byte.
func TestGeneratedCodeIsUpToDate(t *testing.T) {
	files, err := Files("../../../schemas")
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 97 {
		t.Fatalf("only %d files", len(files))
	}
	for _, f := range files {
		have, err := os.ReadFile(filepath.Join("../..", f.Name))
		if err != nil {
			t.Error(err)
		} else if !bytes.Equal(have, f.Code) {
			t.Errorf("%s is not what the generator makes: run go generate ./protocol", f.Name)
		}
	}
}

func TestRangesOfVersions(t *testing.T) {
	valid := span{0, 9}
	for text, want := range map[string]span{"none": {1, 0}, "3+": {3, 9}, "2-5": {2, 5}, "4": {4, 4}} {
		if got, err := parseSpan(text, valid); err != nil || got != want {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
	if got := minus(span{0, 9}, span{3, 5}); len(got) != 2 || got[0] != (span{0, 2}) || got[1] != (span{6, 9}) {
		t.Error(got)
	}
}
