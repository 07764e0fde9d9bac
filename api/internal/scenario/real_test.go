//go:build live

package scenario_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/kactor-go/kactor/actors/role"
	"github.com/kactor-go/kactor/api/internal/scenario"
)

var (
	hosts   = flag.String("brokers", "", "bootstrap brokers of a real cluster of three nodes")
	cluster = flag.String("cluster", "", "name of that cluster as .ci/kafka knows it")
	modern  = flag.Bool("modern", false, "the cluster has group.protocol=consumer")
)

// TestReal plays every scenario against real brokers: one after the other those that do something to brokers, then the calm ones beside each other.
func TestReal(t *testing.T) {
	if *hosts == "" || *cluster == "" {
		t.Fatal("-brokers and -cluster are needed")
	}
	for _, s := range scenario.All() {
		t.Run(s.Name, func(t *testing.T) {
			if s.Calm() { // after the others
				t.Parallel()
			}
			world := role.NewSystem(nil, nil, nil)
			defer world.Close()
			err := scenario.Play(context.Background(), scenario.Env{World: world, Brokers: strings.Split(*hosts, ","), Cluster: real{t}, Nodes: 3,
				Unique: fmt.Sprint(time.Now().UnixNano()), Modern: *modern, Real: true}, s)
			if err != nil {
				t.Fatal(err)
			}
		})
	}
}

// real does things to real brokers.
type real struct{ t *testing.T }

func (r real) run(args ...string) {
	cmd := exec.Command("../../../.ci/kafka", args...)
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		r.t.Errorf("kafka %s: %v", strings.Join(args, " "), err)
	}
}

func (r real) Stop(node int32)   { r.run("signal", *cluster, fmt.Sprint(node), "TERM") }
func (r real) Start(node int32)  { r.run("start", *cluster, fmt.Sprint(node)) }
func (r real) Pause(node int32)  { r.run("signal", *cluster, fmt.Sprint(node), "STOP") }
func (r real) Resume(node int32) { r.run("signal", *cluster, fmt.Sprint(node), "CONT") }
