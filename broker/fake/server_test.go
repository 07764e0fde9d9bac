package fake_test

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kactor-go/kactor/broker/fake"
	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
	"github.com/kactor-go/kactor/protocol/wire"
)

// What is produced is there for a fetch that waits at once: also when nothing else happens to the cluster for ten minutes.
func TestServerWakesFetches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, err := fake.Pipes(fake.Config{Topics: []fake.Topic{{Name: "a"}}})
		if err != nil {
			t.Fatal(err)
		}
		defer server.Close()
		reader, writer := dial(t, server), dial(t, server)
		defer reader.Close()
		defer writer.Close()
		begun := time.Now()
		request(t, reader, fetchRequest("a", 0, 0, 600_000, 1), 12)
		synctest.Wait()
		request(t, writer, produceRequest(0, "a", 0, batch(-1, -1, -1, "x")), 9)
		m := &msg.FetchResponse{}
		respond(t, reader, m, 12)
		if len(m.Responses) == 0 || len(m.Responses[0].Partitions[0].Records) == 0 || time.Since(begun) != 0 {
			t.Errorf("after %v: %+v", time.Since(begun), m.Responses)
		}
	})
}

func dial(t *testing.T, server *fake.Server) net.Conn {
	t.Helper()
	conn, err := server.Dial(context.Background(), "tcp", server.Addrs()[0])
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

func request(t *testing.T, conn net.Conn, m protocol.Request, version int16) {
	t.Helper()
	frame, err := protocol.AppendRequest(nil, m, version, 1, wire.Ptr("bench"))
	if err == nil {
		_, err = conn.Write(frame)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func respond(t *testing.T, conn net.Conn, m protocol.Response, version int16) {
	t.Helper()
	var prefix [protocol.SizeLen]byte
	if _, err := io.ReadFull(conn, prefix[:]); err != nil {
		t.Fatal(err)
	}
	frame := make([]byte, binary.BigEndian.Uint32(prefix[:]))
	if _, err := io.ReadFull(conn, frame); err != nil {
		t.Fatal(err)
	}
	if err := protocol.ReadResponse(m, frame, version); err != nil {
		t.Fatal(err)
	}
}
