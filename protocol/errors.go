package protocol

import (
	"fmt"
	"sort"
)

// Code is an error code of Kafka. It is an error itself: errors.Is(err, protocol.NotLeaderOrFollower) works.
type Code int16

// Class says what a code allows. The classes are those of the exceptions in the Java client.
type Class uint8

// The classes; a code may have several.
const (
	ClassRetriable              Class = 1 << iota // the same request may succeed later
	ClassRefreshMetadata                          // new metadata may help
	ClassInvalidMetadata                          // the metadata that was used is wrong
	ClassApplicationRecoverable                   // the application can go on after it has dealt with it
	ClassTransactionAbortable                     // the transaction must be aborted, then it can be repeated
	ClassInvalidConfiguration
	ClassAuthentication
	ClassAuthorization
)

type codeFacts struct {
	code        Code
	name        string
	class       Class
	since       string
	description string
}

func (c Code) facts() *codeFacts {
	i := sort.Search(len(codes), func(i int) bool { return codes[i].code >= c })
	if i < len(codes) && codes[i].code == c {
		return &codes[i]
	}
	return nil
}

// Error is the name of the code, and its number where it is not known.
func (c Code) Error() string { return c.Name() }

// Name is Kafka's name: "NOT_LEADER_OR_FOLLOWER".
func (c Code) Name() string {
	if f := c.facts(); f != nil {
		return f.name
	}
	return fmt.Sprintf("UNKNOWN_ERROR_CODE_%d", int16(c))
}

// Description is a sentence about the code.
func (c Code) Description() string {
	if f := c.facts(); f != nil {
		return f.description
	}
	return "This client does not know the error code."
}

// Class is what the code allows.
func (c Code) Class() Class {
	if f := c.facts(); f != nil {
		return f.class
	}
	return 0
}

// Retriable reports whether the same request may succeed later.
func (c Code) Retriable() bool { return c.Class()&ClassRetriable != 0 }

// RefreshMetadata reports whether new metadata may help.
func (c Code) RefreshMetadata() bool { return c.Class()&ClassRefreshMetadata != 0 }

// Err gives the code as an error, and nil for None.
func (c Code) Err() error {
	if c == None {
		return nil
	}
	return c
}

// Codes are all codes that are known, in order.
func Codes() []Code {
	all := make([]Code, len(codes))
	for i := range codes {
		all[i] = codes[i].code
	}
	return all
}
