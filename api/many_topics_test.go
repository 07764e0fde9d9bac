package api_test

import (
	"fmt"
	"testing"

	"github.com/kactor-go/kactor/api"
	"github.com/kactor-go/kactor/broker/fake"
)

// BenchmarkOneOfManyTopics is a record that is produced and read by a consumer of many topics, of which the others are idle.
func BenchmarkOneOfManyTopics(b *testing.B) {
	for _, n := range []int{1, 1000, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			var topics []fake.Topic
			var all []api.TopicPartition
			for i := range n {
				topics = append(topics, fake.Topic{Name: fmt.Sprintf("topic-%05d", i)})
				all = append(all, api.TopicPartition{Topic: topics[i].Name})
			}
			server, err := fake.Listen(fake.Config{Topics: topics})
			if err != nil {
				b.Fatal(err)
			}
			defer server.Close()
			c, err := api.Dial(b.Context(), api.Brokers(server.Addrs()...))
			if err != nil {
				b.Fatal(err)
			}
			defer c.Close()
			p, err := c.Producer(api.Linger(0))
			if err != nil {
				b.Fatal(err)
			}
			k, err := c.Consumer("")
			if err != nil {
				b.Fatal(err)
			}
			if err := k.AssignAt(api.AtStart, all...); err != nil {
				b.Fatal(err)
			}
			one := func() {
				if _, err := p.Produce(b.Context(), &api.Record{Topic: topics[n/2].Name, Fixed: true, Value: []byte("v")}); err != nil {
					b.Fatal(err)
				}
				for {
					got, err := k.Poll(b.Context())
					if err != nil {
						b.Fatal(err)
					}
					if len(got) > 0 {
						return
					}
				}
			}
			one()
			for b.Loop() {
				one()
			}
		})
	}
}
