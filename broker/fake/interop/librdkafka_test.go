//go:build others

package interop

import (
	"fmt"
	"strings"
	"testing"

	"github.com/kactor-go/kactor/broker/fake"
)

// librdkafka's admin client, producers, groups and transactions; what its transactions have copied comes out once.
func TestLibrdkafka(t *testing.T) {
	for _, l := range []struct {
		release string
		kinds   []string
	}{{"2.8", nil}, {"3.9", nil}, {"4.3", []string{"consumer"}}} {
		t.Run(l.release, func(t *testing.T) {
			server := listen(t, l.release)
			args := append([]string{"testdata/librdkafka.py", strings.Join(server.Addrs(), ","), fmt.Sprint(records)}, l.kinds...)
			complete(t, run(t, nil, *python, args...))
			server.Do(func(c *fake.Cluster) {
				if n := c.PendingOffsets("copiers"); n != 0 {
					t.Errorf("%d offsets wait for transactions", n)
				}
			})
		})
	}
}

func TestKafkaPythonAdmin(t *testing.T) {
	for _, release := range []string{"2.8", "3.9", "4.3"} {
		t.Run(release, func(t *testing.T) {
			server := listen(t, release)
			run(t, nil, *python, "testdata/kafka_python_admin.py", strings.Join(server.Addrs(), ","), release)
		})
	}
}
