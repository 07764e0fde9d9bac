package lanes

// pool is a bound that partitions share. Half of it is divided between them in equal shares: whatever is slow takes nothing of the others'. Of the other half each may have as much as is left of it then, so that one which has
// everything to do has most of the bound, and the next still finds some. With one partition it is all that partition's.
type pool struct {
	most  int // the bound
	share int // of one partition
	rest  int // what is not in shares
	used  int
	over  int // what partitions have beyond their shares
}

// newPool makes a pool for one partition.
func newPool(most int) pool { return pool{most: most, share: most} }

// divide makes the shares of so many partitions. What they have is to be counted again.
func (p *pool) divide(parts int) {
	p.share, p.rest, p.used, p.over = p.most, 0, 0, 0
	if parts > 1 {
		p.share, p.rest = max(1, p.most/2/parts), p.most/2
	}
}

// change notes what a partition has.
func (p *pool) change(from, to int) {
	p.used += to - from
	p.over += max(0, to-p.share) - max(0, from-p.share)
}

// room is how much more a partition may have that has n.
func (p *pool) room(n int) int {
	return max(0, p.share-n) + max(0, p.rest-p.over-max(0, n-p.share))/2
}
