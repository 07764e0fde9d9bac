package role

// Network reaches brokers. The real one (package broker) has goroutines and sockets; the simulated one (actors/sim) has neither.
// All methods return at once; what happens is told later.
type Network interface {
	// Resolve looks up the addresses of a host, as "ip" strings, and calls done once with them.
	Resolve(host string, done func(addrs []string, err error))
	// Dial opens a connection to address ("ip:port"); host is the name it came from, for TLS verification. The events go to sink.
	Dial(address, host string, sink Sink) Link
	// Free takes back the memory of a received frame that nobody reads any more. It need not be called: the collector takes what is not given back.
	Free(frame []byte)
}

// Sink takes the events of one connection, in order: Opened or Broken first, then frames and flushes, and Broken at most once, last.
// The calls come from any goroutine, one at a time for each kind, and must not block.
type Sink interface {
	// Opened tells that the connection is ready for frames.
	Opened()
	// Received hands over one frame, without its four bytes of size. The sink owns it from now on.
	Received(frame []byte)
	// Flushed tells that one Send has been written, in order: its buffers are free for use again.
	Flushed()
	// Broken tells that the connection is gone. err says why; io.EOF when the broker closed it. Buffers of Sends that were not
	// flushed are free now, too. After a call of Close there is exactly one Broken, unless there was one before.
	Broken(err error)
}

// Link is one connection as seen by its owner.
type Link interface {
	// Send writes one frame given as segments, size prefix included. The segments stay untouched until Flushed or Broken.
	Send(segments [][]byte)
	// Raise lets frames be as large as the network is configured for; before it none is read that is larger than protocol.MaxFrameBeforeReady,
	// so that a peer which does not speak Kafka's protocol cannot make its client allocate.
	Raise()
	// Consumed gives n bytes of received frames back to the read budget; while the budget is used up nothing is read.
	Consumed(n int)
	// Close ends the connection.
	Close()
}
