package api

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// MigrateConfig makes the properties of a classic group's member those of a member by the consumer protocol (KIP-848, Kafka 4.0), and tells what it dropped or changed and what takes its place. What
// group.protocol=consumer does not concern stays as it is.
//
// Members may be restarted with the new properties one by one: the first makes the group one of type consumer, and the last classic one that is started again lets it go back.
func MigrateConfig(classic map[string]string) (consumer map[string]string, notes []string) {
	consumer = map[string]string{"group.protocol": "consumer"}
	for _, name := range slices.Sorted(maps.Keys(classic)) {
		value := classic[name]
		known := canonical(name)
		if o, _ := lookUp(name); o != nil {
			known = o.name
		}
		switch known {
		case "group.protocol":
		case "session.timeout.ms", "heartbeat.interval.ms":
			notes = append(notes, fmt.Sprintf("%s=%s: the broker decides; for one group set its configuration consumer.%s, for all the brokers' group.consumer.%s", name, value, known, known))
		case "partition.assignment.strategy":
			remote := "uniform"
			if first, _, _ := strings.Cut(value, ","); strings.Contains(strings.ToLower(first), "range") {
				remote = "range"
			}
			consumer["group.remote.assignor"] = remote
			notes = append(notes, fmt.Sprintf("%s=%s: the broker assigns, with group.remote.assignor=%s; an assignor of one's own cannot be used", name, value, remote))
		case "group.protocol.type":
			notes = append(notes, fmt.Sprintf("%s=%s: is not used", name, value))
		default:
			consumer[name] = value
		}
	}
	return consumer, append(notes, "a rebalance listener gets only the partitions that come and go: what is kept is not told again")
}
