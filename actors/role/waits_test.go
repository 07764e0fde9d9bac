package role_test

import (
	"errors"
	"testing"

	"github.com/kactor-go/kactor/actors/role"
)

// TestAWaitEndsOnce has an actor that answers, and one who stops it and does not wait for that, in either order: the caller is told of one end.
func TestAWaitEndsOnce(t *testing.T) {
	gone := errors.New("gone")
	for _, stopped := range []bool{false, true} {
		var w role.Waits
		var told []error
		done, err := w.Add(func(err error) { told = append(told, err) })
		if err != nil {
			t.Fatal(err)
		}
		if stopped {
			w.Close(gone)
		}
		if done() {
			told = append(told, nil)
		}
		if done() {
			t.Error("done for a second time")
		}
		w.Close(gone)
		if len(told) != 1 || (told[0] == gone) != stopped {
			t.Errorf("stopped before the answer: %v; told %v", stopped, told)
		}
		if _, err := w.Add(func(error) {}); err != gone {
			t.Errorf("who comes later is told %v", err)
		}
	}
}
