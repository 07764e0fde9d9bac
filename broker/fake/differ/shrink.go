package differ

import (
	"context"
	"slices"
)

// Shrink makes the script of a difference smaller as long as it shows a difference of the same kind (delta debugging: halves are left out first, single steps last). It is played slowly: nil if it shows
// none then, or not every time, because it was a matter of time or chance only. If the context ends, the script is as small as it has got.
func (r *Runner) Shrink(ctx context.Context, d *Difference) (*Difference, error) {
	best, err := r.again(d.Script, d.Kind())
	if best == nil || err != nil {
		return nil, err
	}
	for size := max(len(best.Script.Steps)/2, 1); ; {
		smaller := false
		for at := 0; at < len(best.Script.Steps); {
			if ctx.Err() != nil {
				return best, nil
			}
			s := best.Script
			s.Steps = slices.Concat(s.Steps[:at], s.Steps[min(at+size, len(s.Steps)):])
			found, err := r.again(s, d.Kind())
			if err != nil {
				return nil, err
			}
			if found == nil {
				at += size
				continue
			}
			best, smaller = found, true
		}
		if size == 1 && !smaller {
			return r.certain(best)
		}
		size = max(size/2, 1)
	}
}

// times is how often a script must show its difference when it is as small as it gets.
const times = 3

// certain tells whether a difference comes every time: nil if it does not, and so is a matter of chance.
func (r *Runner) certain(d *Difference) (*Difference, error) {
	for range times {
		if found, err := r.again(d.Script, d.Kind()); found == nil || err != nil {
			return nil, err
		}
	}
	return d, nil
}

// again plays a script slowly, and gives the difference of a kind that it shows; what comes behind that is cut off.
func (r *Runner) again(s Script, kind string) (*Difference, error) {
	if len(s.Steps) == 0 {
		return nil, nil
	}
	p, err := r.play(s, r.Pause)
	if err != nil {
		return nil, err
	}
	for _, d := range p.found {
		if d.Kind() == kind {
			d.Script.Steps = d.Script.Steps[:d.At+1]
			return d, nil
		}
	}
	return nil, nil
}
