package api_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kactor-go/kactor/actors/sim"
	"github.com/kactor-go/kactor/api"
	"github.com/kactor-go/kactor/broker/fake"
	"github.com/kactor-go/kactor/protocol/compress"
)

// What cannot be decompressed within its limit is tried again, but not at full rate: each try costs a fetch and the decompression up to the limit. The time is virtual.
func TestABatchAboveTheLimitIsNotTriedAtFullRate(t *testing.T) {
	err := sim.Run(1, func(w *sim.World) error {
		cluster, err := fake.NewCluster(fake.Config{Topics: []fake.Topic{{Name: "t", Partitions: 2}}})
		if err != nil {
			return err
		}
		n := sim.NewNetwork(w, cluster)
		w.SetNetwork(n)
		ctx, cancel := w.WithTimeout(context.Background(), 70*time.Second)
		defer cancel()
		c, err := api.Dial(ctx, api.World(w), api.Brokers("broker-1:9092"))
		if err != nil {
			return err
		}
		p, err := c.Producer(api.Compression(compress.Zstd), api.Property("max.request.size", fmt.Sprint(8<<20)))
		if err != nil {
			return err
		}
		if _, err := p.Produce(ctx, &api.Record{Topic: "t", Fixed: true, Value: make([]byte, 2<<20)}); err != nil {
			return err
		}
		k, err := c.Consumer("", api.Property("decompress.max.bytes", fmt.Sprint(1<<20)))
		if err != nil {
			return err
		}
		if err := k.AssignAt(api.AtStart, api.TopicPartition{Topic: "t"}, api.TopicPartition{Topic: "t", Partition: 1}); err != nil {
			return err
		}
		minute, cancel := w.WithTimeout(ctx, time.Minute)
		defer cancel()
		told := 0
		for minute.Err() == nil {
			_, err := k.Poll(minute)
			var size *api.DecompressionError
			if errors.As(err, &size) {
				told++
			} else if err != nil && minute.Err() == nil {
				return err
			}
		}
		if told < 2 || told > 80 {
			t.Errorf("the application was told %d times in a minute", told)
		}
		return c.Shutdown(ctx)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestAPollIsBoundedByBytes has records that are packed thousands of times: all that was fetched within the budget was decompressed for one Poll.
func TestAPollIsBoundedByBytes(t *testing.T) {
	const records, size, budget = 20, 1 << 20, 3 << 20
	if err := sim.Run(1, func(w *sim.World) error {
		cluster, err := fake.NewCluster(fake.Config{Topics: []fake.Topic{{Name: "t"}}})
		if err != nil {
			return err
		}
		sim.NewNetwork(w, cluster)
		ctx, cancel := w.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		c, err := api.Dial(ctx, api.World(w), api.Brokers("broker-1:9092"))
		if err != nil {
			return err
		}
		defer c.Shutdown(ctx)
		p, err := c.Producer(api.Compression(compress.Zstd), api.Property("max.request.size", fmt.Sprint(2*size)))
		if err != nil {
			return err
		}
		for range records {
			if _, err := p.Produce(ctx, &api.Record{Topic: "t", Fixed: true, Value: make([]byte, size)}); err != nil {
				return err
			}
		}
		k, err := c.Consumer("", api.Property("receive.budget.bytes", fmt.Sprint(budget)))
		if err != nil {
			return err
		}
		if err := k.AssignAt(api.AtStart, api.TopicPartition{Topic: "t"}); err != nil {
			return err
		}
		for next := int64(0); next < records; {
			got, err := k.Poll(ctx)
			if err != nil {
				return err
			}
			if len(got) > budget/size {
				t.Errorf("%d records of %d bytes came at once", len(got), size)
			}
			for _, r := range got {
				if r.Offset != next {
					return fmt.Errorf("offset %d comes, expected %d", r.Offset, next)
				}
				next++
			}
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
}

// TestCapsCanBeSet: what is listed beyond them is refused where they hold, and the error, or the log, names the option.
func TestCapsCanBeSet(t *testing.T) {
	for _, c := range []struct {
		option string
		at     int // this many are too many, one more will do
	}{{"metadata.max.brokers", 2}, {"metadata.max.partitions", 3}, {"group.max.members", 1}, {"group.max.subscription.bytes", 1024}} {
		for _, most := range []int{c.at, 8 * c.at} {
			p := &cappedPlay{role: c.option[:strings.Index(c.option, ".")], option: api.Property(c.option, fmt.Sprint(most))}
			if err := sim.Run(1, p.run); err != nil {
				t.Errorf("%s=%d: %v", c.option, most, err)
			}
			p.Lock()
			if named := strings.Contains(p.text, c.option); named != (most == c.at) {
				t.Errorf("%s=%d is named: %t, by %s", c.option, most, named, p.text)
			}
			p.Unlock()
		}
	}
}

// cappedPlay is a group of two members on three brokers, with a topic of four partitions.
type cappedPlay struct {
	role   string // of the option
	option api.Option
	sync.Mutex
	text string // errors, and the log
}

// Write implements io.Writer.
func (p *cappedPlay) Write(b []byte) (int, error) {
	p.say(string(b))
	return len(b), nil
}

func (p *cappedPlay) say(text string) {
	p.Lock()
	defer p.Unlock()
	p.text += text + "\n"
}

func (p *cappedPlay) run(w *sim.World) error {
	cluster, err := fake.NewCluster(fake.Config{Nodes: 3, Topics: []fake.Topic{{Name: "t", Partitions: 4}}})
	if err != nil {
		return err
	}
	sim.NewNetwork(w, cluster)
	ctx := context.Background()
	var ofClient []api.ClientOption
	var ofConsumer []api.ConsumerOption
	if p.role == "metadata" {
		ofClient = append(ofClient, p.option)
	} else {
		ofConsumer = append(ofConsumer, p.option)
	}
	topics := []string{"t"}
	for i := range 100 { // that are not there
		topics = append(topics, fmt.Sprintf("another-topic-%d", i))
	}
	var members sim.Group
	for i := range 2 {
		members.Go(w, "member", func() {
			_ = w.Sleep(ctx, time.Duration(i)*time.Second)
			c, err := api.Dial(ctx, append(ofClient, api.World(w), api.Lazy(), api.Brokers("broker-1:9092"), api.Logger(slog.New(slog.NewTextHandler(p, nil))))...)
			if err != nil {
				p.say(err.Error())
				return
			}
			k, err := c.Consumer("g", append(ofConsumer, api.Topics(topics...))...)
			for until := w.Now().Add(20 * time.Second); err == nil && w.Now().Before(until); {
				some, cancel := w.WithTimeout(ctx, 5*time.Second)
				if _, err := k.Poll(some); err != nil {
					p.say(err.Error())
				}
				if _, err := c.Admin().DescribeGroups(some, "g"); err != nil {
					p.say(err.Error())
				}
				cancel()
				_ = w.Sleep(ctx, 100*time.Millisecond)
			}
			_ = c.Shutdown(ctx)
		})
	}
	return members.Wait(ctx, w)
}
