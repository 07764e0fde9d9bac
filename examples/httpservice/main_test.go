package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/kactor-go/kactor/examples/internal/cluster"
)

func TestAnOrderIsTakenAndTheServiceEnds(t *testing.T) {
	brokers, client := cluster.Start(t, "orders")
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, listener, brokers...) }()
	at := "http://" + listener.Addr().String()
	for _, request := range []func() (*http.Response, error){
		func() (*http.Response, error) { return http.Post(at+"/orders", "text/plain", strings.NewReader("tea")) },
		func() (*http.Response, error) { return http.Get(at + "/ready") },
	} {
		answer, err := request()
		if err != nil {
			t.Fatal(err)
		}
		if text, _ := io.ReadAll(answer.Body); answer.StatusCode != http.StatusOK {
			t.Errorf("%s: %s", answer.Status, text)
		}
		answer.Body.Close()
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if r := cluster.Read(t, client, "orders", 1)[0]; string(r.Value) != "tea" {
		t.Errorf("%s", r.Value)
	}
}
