package api

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/kactor-go/kactor/protocol/printable"
)

// profile is a set of properties by the role that they are for, made from schemas/profiles.json. An option that all roles have may differ between producers and consumers.
type profile struct{ client, producer, consumer map[string]string }

// Profile sets the options that have an equivalent here to the defaults of another client, so that a program that comes from it behaves as it did. Options that stand behind it change what it has set. The names are:
//
//	java-4.3           Kafka's own client 4.3; kactor's defaults are the same but for lingering that adapts, buffers of sockets and the growth of the connection set-up timeout
//	kafka-python-1.2   kafka-python 1.2.1     pykafka-0.9   PyKafka 2.8, which has the defaults of 0.9
//	kafka-python-2.x   kafka-python 2.3.0     sarama        Sarama 1.61
//	kafka-python-3.x   kafka-python 3.0.12    segmentio     segmentio/kafka-go 0.4.51
//	librdkafka         librdkafka 2.16.0, and with it confluent-kafka-go
//	low-latency        records are sent at once, one by one if they come so, and not compressed
//	high-throughput    large compressed batches, large fetches, more memory
//
// Names and addresses (client.id, bootstrap.servers, group.id) are not part of a profile. With several of them records may be lost or written twice where kactor's defaults keep them: most have acks=1 and no idempotence, segmentio has
// acks=0.
func Profile(name string) ClientOption {
	return clientOption(func(s *settings) error {
		p, ok := profiles[name]
		if !ok {
			return fmt.Errorf("profile %q is none of %s", printable.Text(name), strings.Join(slices.Sorted(maps.Keys(profiles)), ", "))
		}
		s.profile = name
		errs := []error{s.byDefault(p.client)}
		later := map[string]map[string]string{ofProducer: {}, ofConsumer: {}}
		for role, props := range map[string]map[string]string{ofProducer: p.producer, ofConsumer: p.consumer} {
			for name, value := range props {
				if o, _ := lookUp(name); o != nil && o.role == ofAny {
					later[role][name] = value
				} else {
					errs = append(errs, s.byDefault(map[string]string{name: value}))
				}
			}
		}
		s.profiled = later
		return errors.Join(errs...)
	})
}

// byDefault sets options as if they had these defaults: nobody has asked for them, which counts where one follows from another.
func (s *settings) byDefault(p map[string]string) error {
	return s.from(profileSource+s.profile, func() error { return Properties(p).set(s) })
}
