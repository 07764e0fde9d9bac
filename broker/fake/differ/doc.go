// Package differ holds the fake against a real Kafka: the same random requests are sent to both, and the answers must be equal.
//
//	script.go       what is played: steps that are drawn from a seed
//	world.go        what a side has told so far: topics, producers, sessions, members, and the names of their ids
//	draw.go         random choices of a step, most of them sensible
//	records.go      record batches, right and wrong
//	                (scripts of what expires have idle steps, and are for brokers that soon forget)
//	ops.go          all operations, and how often each comes; the other ops_*.go build the requests
//	play.go         one script on both sides, step by step; what passes by itself is waited for
//	bytes.go        requests some of whose bytes are changed, and what became of them (mangle/ changes them)
//	settle.go       what is waited for behind a step; publish.go and keeper.go: where nobody can be asked
//	zookeeper.go    what brokers keep in ZooKeeper, and become slow by
//	peer.go         a connection to a side
//	compare.go      answers as lines, field by field, with names in place of ids
//	exceptions.go   the fields and orders that are not compared, each with its reason
//	known.go        differences that are known and not mended: testdata/open
//	shrink.go       a script that shows a difference, made smaller
//	cover.go        which errors of which versions of which APIs were seen
//	cells.go        which errors of which APIs can be seen at all: testdata/cells
//	run.go          many scripts at once
//	run/            the command: starts a broker, plays, and prints what differs
//
// A step keeps nothing but the name of its operation and a seed. The request is built when it is played, out of what the side has told before: so a shorter script is a script, too, and both sides get the same
// request with their own ids in it.
package differ
