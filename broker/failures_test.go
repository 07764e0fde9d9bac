package broker

import (
	"errors"
	"strings"
	"testing"

	"github.com/kactor-go/kactor/broker/internal/meta"
	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/cluster"
)

// TestAnAdvertisedAddressStaysOne when it is a bootstrap address, too, and is tried again as that because no broker can be reached.
func TestAnAdvertisedAddressStaysOne(t *testing.T) {
	c := &Client{}
	c.versions.Store(&map[int32]protocol.Ranges{})
	for _, id := range []int32{7, -1} {
		c.unreached(cluster.Node{ID: id, Host: "broker", Port: 9092}, "dial", errors.New("blocked"))
	}
	all := c.Failures()
	if len(all) != 1 || all[0].Node != 7 || !all[0].Unmet || all[0].Attempts != 2 || !strings.Contains(all[0].Error(), "advertised.listeners of broker 7") {
		t.Errorf("%v", all)
	}
}

// TestABugIsToldBehindAnother: that of a connection whose cluster actor has failed before.
func TestABugIsToldBehindAnother(t *testing.T) {
	bug := errors.New("bug")
	var told []error
	c := &Client{failed: func(err error) { told = append(told, err) }}
	c.Refuse(&connFailed{&connection{}, bug}, errors.New("another"), &meta.Effects{})
	if len(told) != 1 || told[0] != bug {
		t.Errorf("told is %v", told)
	}
}
