package fetcher

import (
	"context"

	"github.com/kactor-go/kactor/protocol/cluster"
)

// Take waits for the next chunk, in turn over the partitions. A chunk that was not read to its end is given again.
func (f *Fetcher) Take(ctx context.Context) (*Chunk, error) {
	return f.buf.Take(ctx)
}

// Ready gives the next chunk if there is one, without waiting; nil if there is none.
func (f *Fetcher) Ready() (*Chunk, error) {
	return f.buf.take(nil)
}

// More gives the next chunk for who has taken something already: what went wrong waits for the next call of Ready or Take. It gives nil if there is none, or the fetcher is closed.
func (f *Fetcher) More() *Chunk {
	return f.buf.more(nil)
}

// Later has the next Ready or Take tell what was wrong with a record that was read, unless the partition is moved or given up before.
func (f *Fetcher) Later(k *Chunk, err error) { f.buf.later(k, err) }

// ReadyOf is Ready for the partitions for which open is true. open must be quick, and must not call the fetcher.
func (f *Fetcher) ReadyOf(open func(cluster.TopicPartition) bool) (*Chunk, error) {
	return f.buf.take(open)
}

// Wait waits until there may be something to take, Wake was called, or ctx ends: then its error is returned.
func (f *Fetcher) Wait(ctx context.Context) error { return f.world.Park(ctx, f.buf.wait) }

// Wake ends a Wait.
func (f *Fetcher) Wake() { f.world.Wake(f.buf.wait) }
