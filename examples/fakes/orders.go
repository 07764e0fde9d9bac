// Package fakes is a small service with its unit test: the test runs the service on a Kafka cluster inside the process, and makes it fail.
package fakes

import (
	"context"
	"fmt"

	"github.com/kactor-go/kactor/api"
)

// Place writes an order, and says where it is.
func Place(ctx context.Context, producer *api.Producer, customer, item string) (string, error) {
	at, err := producer.Produce(ctx, &api.Record{Topic: "orders", Key: []byte(customer), Value: []byte(item)})
	if err != nil {
		return "", fmt.Errorf("order of %s: %w", customer, err)
	}
	return fmt.Sprintf("%d/%d", at.Partition, at.Offset), nil
}
