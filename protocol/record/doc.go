// Package record has Kafka's record formats: the batches of today (magic 2, Kafka 0.11) and the message sets before them (magic 0 and 1).
//
//	write.go   encoding records in place, sealing a batch
//	batch.go   what a records field holds, batch after batch, of any magic
//	iter.go    the records of one batch, as views that allocate nothing
//	legacy.go  message sets: reading wrappers, writing, converting down
//	control.go control records: transaction markers and others
//	hash.go    CRC-32C, CRC-32, murmur2
//
// Reading checks every length against the bytes that are left. Views alias the buffer they were read from.
package record
