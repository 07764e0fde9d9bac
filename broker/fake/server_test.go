package fake_test

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
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

// What is no request ends a connection behind the answers to what came before, and never by a reset.
func TestServerAnswersBeforeEnd(t *testing.T) {
	server := listen(t)
	good := slices.Concat(frame(t, 1), frame(t, 2), frame(t, 3))
	for name, bad := range map[string][]byte{
		"none": nil, "size 2": {0, 0, 0, 2, 1, 1}, "size -1": {255, 255, 255, 255}, "size -1 and more": append([]byte{255, 255, 255, 255}, make([]byte, 10_000)...), "too large": {100, 0, 0, 0, 1},
		"HTTP": []byte("GET / HTTP/1.1\r\nHost: a\r\n\r\n"), "TLS": append([]byte{22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3}, make([]byte, 500)...), "unknown API": slices.Concat([]byte{0, 0, 0, 10, 127, 127, 0, 0, 0, 0, 0, 1, 255, 255}, good),
		"part of a size": {0, 0}, "part of a frame": {0, 0, 0, 50, 1, 1},
	} {
		for range 20 {
			conn := tcp(t, server)
			send(t, conn, append(good[:len(good):len(good)], bad...))
			if name == "none" || strings.HasPrefix(name, "part") {
				conn.CloseWrite()
			}
			if ids := untilEnd(t, conn); !slices.Equal(ids, []int32{1, 2, 3}) {
				t.Fatalf("%s: answers %v", name, ids)
			}
			conn.Close()
		}
	}
}

// Who has closed his side has the answer to a fetch that waits, and to what he sent behind it; then the connection ends.
func TestServerAnswersHalfClosed(t *testing.T) {
	server := listen(t)
	conn := tcp(t, server)
	poll := framed(t, fetchRequest("a", 0, 0, 100, 1), 12, 7)
	send(t, conn, slices.Concat(poll, frame(t, 8), poll, frame(t, 9)))
	conn.CloseWrite()
	if ids := untilEnd(t, conn); !slices.Equal(ids, []int32{7, 8, 7, 9}) {
		t.Errorf("answers %v", ids)
	}
	gone(t, server)
}

// A reset ends a connection at once, also while a fetch of it waits.
func TestServerReset(t *testing.T) {
	server := listen(t)
	conn := tcp(t, server)
	send(t, conn, slices.Concat(frame(t, 1), framed(t, fetchRequest("a", 0, 0, 600_000, 1), 12, 2)))
	respond(t, conn, &msg.MetadataResponse{}, 4)
	conn.SetLinger(0)
	conn.Close()
	gone(t, server)
}

// A connection whose peer has closed its side does not wait for ever for who does not read its answers.
func TestServerHalfClosedEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := pipes(t)
		defer server.Close()
		client, served := duplexes()
		fake.Serve(server, served)
		send(t, client, frame(t, 1))
		client.CloseWrite()
		time.Sleep(time.Minute)
		if n := fake.Served(server); n != 1 {
			t.Errorf("%d connections before", n)
		}
		time.Sleep(time.Hour)
		if n := fake.Served(server); n != 0 {
			t.Errorf("%d connections behind", n)
		}
	})
}

// A connection of which a request is dropped ends with its peer, however much that has sent behind it, and with answers to what came before.
func TestServerDropped(t *testing.T) {
	for _, half := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			server := pipes(t)
			defer server.Close()
			server.Do(func(c *fake.Cluster) {
				c.Seize(msg.ProduceAPI, func(fake.Request) fake.Action { return fake.Action{Drop: true} })
			})
			client, served := duplexes()
			fake.Serve(server, served)
			send(t, client, frame(t, 1))
			if id, err := nextAnswer(client); err != nil || id != 1 {
				t.Fatalf("answer %d, %v", id, err)
			}
			dropped := framed(t, produceRequest(1, "a", 0, batch(-1, -1, -1, "x")), 9, 2)
			for range 5 {
				send(t, client, slices.Concat(dropped, frame(t, 3)))
			}
			time.Sleep(time.Hour)
			if n := fake.Served(server); n != 1 {
				t.Errorf("%d connections before", n)
			}
			if half {
				client.CloseWrite()
				if ids := untilEnd(t, client); len(ids) != 0 {
					t.Errorf("answers %v behind what is dropped", ids)
				}
			}
			client.Close()
			synctest.Wait()
			if n := fake.Served(server); n != 0 {
				t.Errorf("%d connections behind", n)
			}
		})
	}
}

// A connection that announces a long request takes memory for what it sends of it.
func TestServerTakesMemoryForWhatComes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := pipes(t)
		defer server.Close()
		const conns, came = 20, 100_000
		part := append(binary.BigEndian.AppendUint32(nil, protocol.MaxFrame), make([]byte, came)...)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for range conns {
			conn := dial(t, server)
			defer conn.Close()
			send(t, conn, part)
		}
		synctest.Wait()
		runtime.ReadMemStats(&after)
		if got := (after.TotalAlloc - before.TotalAlloc) / conns; got > 8*came {
			t.Errorf("%d bytes are allocated for %d that came of a frame of 100 MiB", got, came)
		}
	})
}

// Of a client that reads nothing only so many requests are handled as there is room for their answers; when it reads, it has them all.
func TestServerKeepsFewAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := pipes(t)
		defer server.Close()
		big := framed(t, produceRequest(1, "a", 0, batch(-1, -1, -1, strings.Repeat("x", 300_000))), 9, 0)
		writer := dial(t, server)
		send(t, writer, big)
		respond(t, writer, &msg.ProduceResponse{}, 9)
		writer.Close()
		handled := 0
		server.Do(func(c *fake.Cluster) { c.Observe(func(fake.Request) { handled++ }) })
		conn := dial(t, server)
		defer conn.Close()
		const all = 200
		go func() {
			for i := range all {
				conn.Write(framed(t, fetchRequest("a", 0, 0, 0, 1), 12, int32(i)))
			}
		}()
		synctest.Wait()
		server.Do(func(*fake.Cluster) {
			if handled != 4 { // 1.2 MB
				t.Errorf("%d requests are handled", handled)
			}
		})
		for i := range all {
			if id, err := nextAnswer(conn); err != nil || id != int32(i) {
				t.Fatalf("answer %d: %d, %v", i, id, err)
			}
		}
	})
}

// Behind a fetch that waits nothing is taken but one request.
func TestServerTakesOneBehindAFetch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := pipes(t)
		defer server.Close()
		conn := dial(t, server)
		defer conn.Close()
		var taken atomic.Int32
		const all = 100
		go func() {
			conn.Write(framed(t, fetchRequest("a", 0, 0, 60_000, 1), 12, -1))
			for i := range all {
				conn.Write(frame(t, int32(i)))
				taken.Add(1)
			}
		}()
		synctest.Wait()
		if n := taken.Load(); n != 1 {
			t.Errorf("%d are taken", n)
		}
		for i := range all + 1 {
			if id, err := nextAnswer(conn); err != nil || id != int32(i-1) {
				t.Fatalf("answer %d: %d, %v", i, id, err)
			}
		}
	})
}

// duplex is one end of a connection that can be half closed: two pipes.
type duplex struct {
	net.Conn // is read
	out      net.Conn
}

func duplexes() (a, b duplex) {
	a1, b1 := net.Pipe()
	a2, b2 := net.Pipe()
	return duplex{a1, a2}, duplex{b2, b1}
}

func (d duplex) Write(b []byte) (int, error) { return d.out.Write(b) }
func (d duplex) CloseWrite() error           { return d.out.Close() }
func (d duplex) Close() error                { return errors.Join(d.out.Close(), d.Conn.Close()) }

func listen(t *testing.T) *fake.Server {
	t.Helper()
	server, err := fake.Listen(fake.Config{Topics: []fake.Topic{{Name: "a"}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	return server
}

func pipes(t *testing.T) *fake.Server {
	t.Helper()
	server, err := fake.Pipes(fake.Config{Topics: []fake.Topic{{Name: "a"}}})
	if err != nil {
		t.Fatal(err)
	}
	return server
}

func tcp(t *testing.T, server *fake.Server) *net.TCPConn {
	t.Helper()
	conn, err := net.Dial("tcp", server.Addrs()[0])
	if err != nil {
		t.Fatal(err)
	}
	conn.SetDeadline(time.Now().Add(time.Minute))
	t.Cleanup(func() { conn.Close() })
	return conn.(*net.TCPConn)
}

// gone waits until a server has no connection.
func gone(t *testing.T, server *fake.Server) {
	t.Helper()
	for end := time.Now().Add(time.Minute); fake.Served(server) > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the server has a connection still")
		}
	}
}

// frame is a quick request.
func frame(t *testing.T, id int32) []byte { return framed(t, &msg.MetadataRequest{}, 4, id) }

func framed(t *testing.T, m protocol.Request, version int16, id int32) []byte {
	t.Helper()
	b, err := protocol.AppendRequest(nil, m, version, id, wire.Ptr("bench"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func send(t *testing.T, conn net.Conn, b []byte) {
	t.Helper()
	if _, err := conn.Write(b); err != nil {
		t.Fatal(err)
	}
}

// nextAnswer reads an answer and tells which it is.
func nextAnswer(conn net.Conn) (id int32, err error) {
	var head [8]byte
	if _, err := io.ReadFull(conn, head[:]); err != nil {
		return 0, err
	}
	_, err = io.CopyN(io.Discard, conn, int64(binary.BigEndian.Uint32(head[:4]))-4)
	return int32(binary.BigEndian.Uint32(head[4:])), err
}

// untilEnd reads the answers that come before the end of a connection, which is none by a reset.
func untilEnd(t *testing.T, conn net.Conn) (ids []int32) {
	t.Helper()
	for {
		id, err := nextAnswer(conn)
		if err == io.EOF {
			return ids
		}
		if err != nil {
			t.Fatalf("behind answers %v: %v", ids, err)
		}
		ids = append(ids, id)
	}
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
	send(t, conn, framed(t, m, version, 1))
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
