package wire

import (
	"encoding/base64"
	"fmt"
)

// UUID is a topic id, a directory id, a client instance id. The zero UUID means none.
type UUID [16]byte

// String gives 22 characters of URL-safe base64, as Kafka's tools print ids.
func (u UUID) String() string { return base64.RawURLEncoding.EncodeToString(u[:]) }

// ParseUUID reads what String gives.
func ParseUUID(s string) (u UUID, err error) {
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil || len(b) != len(u) {
		return u, fmt.Errorf("%q is not a uuid of 22 base64 characters", s)
	}
	return UUID(b), nil
}
