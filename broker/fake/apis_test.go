package fake_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/kactor-go/kactor/broker/fake"
	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
)

// The package's documentation names every API of the newest release once: with the versions that are told, or among those that are not offered.
func TestTheAPIsThatAreDocumented(t *testing.T) {
	text, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	_, apis, ok := strings.Cut(string(text), "// # APIs\n")
	offered, others, ok2 := strings.Cut(apis, "ApiVersions does not tell these")
	if !ok || !ok2 {
		t.Fatal("doc.go has no APIs")
	}
	b := newBench(t, fake.Config{})
	told := protocol.RangesOf(ask(b, b.connect(1), &msg.ApiVersionsRequest{ClientSoftwareName: "test", ClientSoftwareVersion: "1"}, &msg.ApiVersionsResponse{}, 4))
	all, err := protocol.Release("4.3")
	if err != nil {
		t.Fatal(err)
	}
	words := func(s string) []string {
		return strings.FieldsFunc(s, func(r rune) bool { return strings.ContainsRune(" ,/\t\n", r) })
	}
	tell, left := words(offered), words(others)
	count := func(in []string, w string) (n int) {
		for _, v := range in {
			if v == w {
				n++
			}
		}
		return n
	}
	for _, key := range protocol.APIKeys() {
		if _, there := all.Get(key); !there {
			continue
		}
		name := protocol.APIName(key)
		r, has := told.Get(key)
		if !has {
			if count(left, name) != 1 || count(tell, name) != 0 {
				t.Errorf("%s is not offered: doc.go does not say so", name)
			}
			continue
		}
		versions := fmt.Sprintf("%d-%d", r.Min, r.Max)
		if i := slices.Index(tell, name); i < 0 || tell[i+1] != versions || count(tell, name) != 1 || count(left, name) != 0 {
			t.Errorf("doc.go has not: %s %s", name, versions)
		}
	}
}
