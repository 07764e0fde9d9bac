package differ

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/kactor-go/kactor/protocol/msg"
)

// changes is where ZooKeeper keeps what brokers are told of altered configurations. A broker reads all that is there for each alteration, and takes away only what is older than a quarter of an hour: after some thousands it does
// nothing else (ZkNodeChangeNotificationListener).
const changes = "/config/changes"

// tidy takes away what brokers were told of configurations some seconds ago, until the context ends. Nothing depends on it but how fast they are.
func (r *Runner) tidy(ctx context.Context) {
	addr, err := r.keeperAddr()
	if err != nil || addr == "" {
		return
	}
	k, err := dialKeeper(addr)
	if err != nil {
		return
	}
	defer k.conn.Close()
	var old []string
	for {
		now, err := k.children(changes)
		if err != nil {
			return
		}
		for _, name := range old {
			if k.remove(changes+"/"+name) != nil {
				return
			}
		}
		old = now
		select {
		case <-ctx.Done():
			return
		case <-time.After(3 * time.Second):
		}
	}
}

// keeperAddr asks the broker where its ZooKeeper is; "" if it has none.
func (r *Runner) keeperAddr() (string, error) {
	p := &peer{addr: r.Kafka}
	defer p.close()
	m, err := p.ask(&msg.DescribeConfigsRequest{Resources: []msg.DescribeConfigsRequestDescribeConfigsResource{{ResourceType: ofBrokers, ResourceName: "1", ConfigurationKeys: []string{"zookeeper.connect"}}}}, 1)
	if err != nil {
		return "", err
	}
	for _, res := range m.(*msg.DescribeConfigsResponse).Results {
		for _, c := range res.Configs {
			first, _, _ := strings.Cut(text(c.Value), ",")
			return first, nil
		}
	}
	return "", nil
}

// keeperConn is a session with ZooKeeper that can do little.
type keeperConn struct {
	conn net.Conn
	last uint32
}

func dialKeeper(addr string) (*keeperConn, error) {
	conn, err := net.DialTimeout("tcp", addr, patience)
	if err != nil {
		return nil, err
	}
	k := &keeperConn{conn: conn}
	const timeout = 60_000
	hello := binary.BigEndian.AppendUint32(make([]byte, 12), timeout) // version and last change seen
	hello = append(hello, make([]byte, 8)...)                         // no session
	hello = append(binary.BigEndian.AppendUint32(hello, 16), make([]byte, 17)...)
	if _, err := k.exchange(hello); err != nil {
		conn.Close()
		return nil, err
	}
	return k, nil
}

func (k *keeperConn) exchange(body []byte) ([]byte, error) {
	if err := k.conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return nil, err
	}
	if _, err := k.conn.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...)); err != nil {
		return nil, err
	}
	var size [4]byte
	if _, err := io.ReadFull(k.conn, size[:]); err != nil {
		return nil, err
	}
	out := make([]byte, binary.BigEndian.Uint32(size[:]))
	_, err := io.ReadFull(k.conn, out)
	return out, err
}

// do makes a request of a path, and gives what is answered behind the header: nothing if it is refused.
func (k *keeperConn) do(kind uint32, path string, rest ...byte) ([]byte, error) {
	k.last++
	body := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, k.last), kind)
	body = append(append(binary.BigEndian.AppendUint32(body, uint32(len(path))), path...), rest...)
	out, err := k.exchange(body)
	return out[min(len(out), 16):], err
}

func (k *keeperConn) children(path string) (names []string, err error) {
	const getChildren = 8
	out, err := k.do(getChildren, path, 0)
	if err != nil {
		return nil, err
	}
	for out = out[min(len(out), 4):]; len(out) >= 4; {
		n := 4 + int(binary.BigEndian.Uint32(out))
		if n > len(out) {
			return nil, fmt.Errorf("zookeeper: %s: %w", path, io.ErrUnexpectedEOF)
		}
		names, out = append(names, string(out[4:n])), out[n:]
	}
	return names, nil
}

func (k *keeperConn) remove(path string) error {
	const remove = 2
	_, err := k.do(remove, path, 0xff, 0xff, 0xff, 0xff)
	return err
}
