package drain

import (
	"fmt"
	"time"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/sender/internal/batch"
)

// numbers are what a producer's batches are known by to brokers: its id and epoch, and their sequences (KIP-98). Who implements it decides which numbers batches get, when the next may
// follow, and what an answer means that is about numbers. Queues, windows and retries know nothing of it.
type numbers interface {
	// may tells whether the first batch of a partition, which has one, may go to its leader. It may end batches of the queue: that have no numbers any more, or cannot have any.
	may(now time.Time, p *part, out *Effects) verdict
	// going gives a batch its numbers: it goes to its partition's leader now, and is not among those in flight yet.
	going(now time.Time, p *part, b *batch.Batch)
	// written hears that a batch is in the log.
	written(now time.Time, p *part, b *batch.Batch)
	// refused deals with a batch, in flight, whose numbers a broker does not take.
	refused(now time.Time, b *batch.Batch, code protocol.Code, out *Effects)
	// shrunk hears that a batch goes again with fewer records than had its numbers.
	shrunk(b *batch.Batch)
	// ask asks for a producer id, if something waits for one.
	ask(now time.Time, out *Effects)
	// told takes the answer.
	told(now time.Time, m *Identity, out *Effects)
}

// plain are the numbers of producers without idempotence: none.
type plain struct{ c *Core }

func (plain) may(time.Time, *part, *Effects) verdict { return send }
func (plain) going(time.Time, *part, *batch.Batch)   {}
func (plain) written(time.Time, *part, *batch.Batch) {}
func (plain) shrunk(*batch.Batch)                    {}
func (plain) ask(time.Time, *Effects)                {}
func (plain) told(time.Time, *Identity, *Effects)    {}
func (n plain) refused(_ time.Time, b *batch.Batch, code protocol.Code, out *Effects) {
	n.c.refuse(b, fmt.Errorf("%w after %d tries", code, b.Attempts), out)
}
