package api_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"slices"

	"github.com/kactor-go/kactor/api"
	"github.com/kactor-go/kactor/broker/fake"
	"github.com/kactor-go/kactor/protocol"
)

// cluster is a cluster in the process with one topic; examples talk to it as your program talks to yours.
func cluster() (client *api.Client, end func()) {
	server, err := fake.Listen(fake.Config{Nodes: 3, Topics: []fake.Topic{{Name: "orders", Partitions: 1}}})
	if err != nil {
		log.Fatal(err)
	}
	client, err = api.Dial(context.Background(), api.Brokers(server.Addrs()...))
	if err != nil {
		log.Fatal(err)
	}
	return client, func() {
		client.Shutdown(context.Background())
		server.Close()
	}
}

func ExampleDial() {
	server, err := fake.Listen(fake.Config{Nodes: 3})
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()

	ctx := context.Background()
	client, err := api.Dial(ctx, api.Brokers(server.Addrs()...), api.ClientID("billing"), api.Property("request.timeout.ms", "10000"))
	if err != nil {
		log.Fatal(err) // says which addresses were tried, and how far it came with each
	}
	defer client.Close()
	results, err := client.Admin().CreateTopics(ctx, api.NewTopic{Name: "orders", Partitions: 3, Replicas: 3})
	fmt.Println(results["orders"], err)
	// Output: <nil> <nil>
}

// Properties have Kafka's names, and are checked.
func ExampleProperties() {
	_, err := api.Dial(context.Background(), api.Properties(map[string]string{"bootstrap.servers": "localhost:9092", "linger.mss": "5"}))
	fmt.Println(err)
	// Output: unknown property "linger.mss"; did you mean "linger.ms"?
}

// Why can the cluster not be reached?
func ExampleDiagnose() {
	d, err := api.Diagnose(context.Background(), api.Brokers("kafka.invalid:9092"))
	if err != nil {
		log.Fatal(err) // an option is wrong
	}
	last := d.Reaches[0].Steps[0] // fmt.Print(d) tells everything
	fmt.Println(last.Phase, last.Err != nil, last.Remedy)
	// Output: dns true this machine does not know the name: look at how it is spelt, and at the name server
}

func ExampleProducer_Produce() {
	client, end := cluster()
	defer end()
	ctx := context.Background()
	producer, err := client.Producer()
	if err != nil {
		log.Fatal(err)
	}
	placed, err := producer.Produce(ctx, &api.Record{Topic: "orders", Key: []byte("42"), Value: []byte("paid")})
	switch {
	case err == nil:
		fmt.Println("written to", placed.Topic, placed.Partition, "at", placed.Offset)
	case errors.Is(err, api.ErrUncertain):
		fmt.Println("it may have been written:", err)
	default:
		fmt.Println("it was not written:", err)
	}
	// Output: written to orders 0 at 0
}

// Send does not wait; its callback comes once for each record, in order within a partition.
func ExampleProducer_Send() {
	client, end := cluster()
	defer end()
	ctx := context.Background()
	producer, err := client.Producer(api.Property("compression.type", "zstd"))
	if err != nil {
		log.Fatal(err)
	}
	for i := range 3 {
		err := producer.Send(ctx, &api.Record{Topic: "orders", Value: fmt.Append(nil, i)}, func(placed api.RecordMetadata, err error) {
			fmt.Println(placed.Offset, err)
		})
		if err != nil {
			log.Fatal(err)
		}
	}
	if err := producer.Flush(ctx); err != nil {
		log.Fatal(err)
	}
	// Output:
	// 0 <nil>
	// 1 <nil>
	// 2 <nil>
}

// Start gives a promise, to be asked when it suits.
func ExampleProducer_Start() {
	client, end := cluster()
	defer end()
	ctx := context.Background()
	producer, err := client.Producer()
	if err != nil {
		log.Fatal(err)
	}
	promise := producer.Start(ctx, &api.Record{Topic: "orders", Value: []byte("paid")})
	placed, err := promise.Get(ctx)
	fmt.Println(placed.Offset, err)
	// Output: 0 <nil>
}

// ProduceAll tells what became of each record.
func ExampleProducer_ProduceAll() {
	client, end := cluster()
	defer end()
	ctx := context.Background()
	producer, err := client.Producer(api.Property("max.request.size", "1000"))
	if err != nil {
		log.Fatal(err)
	}
	err = producer.ProduceAll(ctx, &api.Record{Topic: "orders", Value: []byte("small")}, &api.Record{Topic: "orders", Value: make([]byte, 2000)})
	var each *api.ProduceErrors
	if errors.As(err, &each) {
		fmt.Println(each.Errors[0], errors.Is(each.Errors[1], api.ErrTooLarge))
	}
	// Output: <nil> true
}

func ExampleConsumer_Records() {
	client, end := cluster()
	defer end()
	ctx := context.Background()
	fill(ctx, client)
	consumer, err := client.Consumer("", api.Property("auto.offset.reset", "earliest"))
	if err != nil {
		log.Fatal(err)
	}
	if err := consumer.Assign(api.TopicPartition{Topic: "orders", Partition: 0}); err != nil {
		log.Fatal(err)
	}
	for record, err := range consumer.Records(ctx) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(record.Offset, string(record.Value))
		if record.Offset == 2 {
			break
		}
	}
	// Output:
	// 0 zero
	// 1 one
	// 2 two
}

func ExampleConsumer_Poll() {
	client, end := cluster()
	defer end()
	ctx := context.Background()
	fill(ctx, client)
	consumer, err := client.Consumer("")
	if err != nil {
		log.Fatal(err)
	}
	if err := consumer.AssignAt(1, api.TopicPartition{Topic: "orders"}); err != nil {
		log.Fatal(err)
	}
	records, err := consumer.Poll(ctx)
	fmt.Println(len(records), string(records[0].Value), err)
	// Output: 2 one <nil>
}

// Batches are the cheapest way to read: views that are valid until the next step.
func ExampleConsumer_Batches() {
	client, end := cluster()
	defer end()
	ctx := context.Background()
	fill(ctx, client)
	consumer, err := client.Consumer("", api.Property("auto.offset.reset", "earliest"))
	if err != nil {
		log.Fatal(err)
	}
	if err := consumer.Assign(api.TopicPartition{Topic: "orders"}); err != nil {
		log.Fatal(err)
	}
	var view api.View
	size := 0
	for batch, err := range consumer.Batches(ctx) {
		if err != nil {
			log.Fatal(err)
		}
		for batch.Next(&view) {
			size += len(view.Value)
		}
		if err := batch.Err(); err != nil {
			log.Fatal(err)
		}
		break
	}
	fmt.Println(size)
	// Output: 10
}

func ExampleClient_Admin() {
	client, end := cluster()
	defer end()
	ctx := context.Background()
	results, err := client.Admin().CreateTopics(ctx, api.NewTopic{Name: "orders", Partitions: 1, Replicas: -1}, api.NewTopic{Name: "bills", Partitions: 2, Replicas: -1})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(errors.Is(results["orders"], protocol.TopicAlreadyExists), results["bills"])
	topics, err := client.Admin().DescribeTopics(ctx)
	if err != nil {
		log.Fatal(err)
	}
	var names []string
	for name := range topics {
		names = append(names, name)
	}
	slices.Sort(names)
	fmt.Println(names)
	// Output:
	// true <nil>
	// [bills orders]
}

// fill writes three records.
func fill(ctx context.Context, client *api.Client) {
	producer, err := client.Producer()
	if err != nil {
		log.Fatal(err)
	}
	defer producer.Close()
	err = producer.ProduceAll(ctx, &api.Record{Topic: "orders", Value: []byte("zero")}, &api.Record{Topic: "orders", Value: []byte("one")}, &api.Record{Topic: "orders", Value: []byte("two")})
	if err != nil {
		log.Fatal(err)
	}
}

// Records of a key are handled in order, those of different keys at the same time; what fails twice goes to a topic of its own.
func ExampleConsumer_Handle() {
	client, end := cluster()
	defer end()
	ctx, stop := context.WithCancel(context.Background())
	producer, err := client.Producer()
	if err != nil {
		log.Fatal(err)
	}
	for _, order := range []string{"tea", "gold", "milk"} {
		if _, err := producer.Produce(ctx, &api.Record{Topic: "orders", Key: []byte("anna"), Value: []byte(order)}); err != nil {
			log.Fatal(err)
		}
	}
	if _, err := client.Admin().CreateTopics(ctx, api.NewTopic{Name: "orders-dead", Partitions: 1, Replicas: 3}); err != nil {
		log.Fatal(err)
	}
	consumer, err := client.Consumer("billing", api.Topics("orders"), api.Property("auto.offset.reset", "earliest"))
	if err != nil {
		log.Fatal(err)
	}
	err = consumer.Handle(ctx, func(ctx context.Context, r *api.Record) error {
		switch string(r.Value) {
		case "gold":
			return errors.New("out of stock")
		case "milk":
			stop() // what runs is finished, and committed
		}
		fmt.Printf("%s for %s\n", r.Value, r.Key)
		return nil
	}, api.Concurrency(8), api.OrderBy(api.ByKey), api.Attempts(2, 0), api.DeadLetter(producer, "orders-dead"))
	fmt.Println(err)
	// Output:
	// tea for anna
	// milk for anna
	// <nil>
}
