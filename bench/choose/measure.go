package main

import (
	"context"
	"fmt"
	"io"
	"math"
	"time"

	"github.com/schollz/progressbar/v3"
)

// found is the samples of each store, in the order in which they were taken.
type found map[string][]sample

// try is how many operations are done to find out how fast the stores are.
const try = 4 * 8192

// measure measures all stores with each of the mixes. In a repetition each has its turn, so that what else
// the machine does meets them all, and each repetition begins with another one.
func (p plan) measure(ctx context.Context, progress io.Writer, mixes []mix) (map[mix]found, error) {
	all, loads := make(map[mix]found), make(map[mix]load)
	steps := 0
	for _, m := range mixes {
		steps += len(m.stores()) + p.count*len(m.measured())
	}
	bar := progressbar.NewOptions(steps,
		progressbar.OptionSetWriter(progress), progressbar.OptionShowCount(), progressbar.OptionSetPredictTime(true))
	step := func(m mix, name string, l load) (sample, error) {
		// Drawn between measurements only: there may be as many goroutines as processors.
		bar.Describe(fmt.Sprintf("%-8s", name))
		s, err := m.measure(ctx, name, l)
		_ = bar.Add(1) // an error of the terminal, and nobody to tell of it
		return s, err
	}
	defer func() {
		_ = bar.Exit()
		_, _ = fmt.Fprintln(progress)
	}()
	for _, m := range mixes {
		slowest := time.Duration(0)
		for _, name := range m.stores() { // for nothing, but to find out how fast they are
			s, err := step(m, name, load{ops: try, parts: 4, stores: 1})
			if err != nil {
				return nil, err
			}
			// Without the pause, which one table that doubles makes: there is not one of these in so few operations.
			slowest = max(slowest, time.Duration(s.NsPerOp-float64(s.LongestPause)/try))
		}
		all[m], loads[m] = make(found), m.loadFor(p.each, slowest)
	}
	for i := range p.count {
		for _, m := range mixes {
			l, names := loads[m], m.measured()
			_, l.first = math.Modf(float64(i) * math.Phi) // spread, so that the parts miss no doubling again and again
			for turn := range names {
				name := names[(turn+i)%len(names)]
				s, err := step(m, name, l)
				if err != nil {
					return nil, err
				}
				all[m][name] = append(all[m][name], s)
			}
		}
	}
	return all, nil
}
