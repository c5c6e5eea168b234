package main

import (
	"context"
	"sync"
)

// queueLen is how many tasks wait where that is for us to choose: as many as in
// a pool of ours with default options.
const queueLen = 1024

// channelSlice is what one writes without a library.
func channelSlice(ctx context.Context, j job) (results, error) {
	type indexed struct{ i, in int }
	kept := make(outcomes, len(j.in))
	queue := make(chan indexed, queueLen)
	var crew sync.WaitGroup
	for range j.workers {
		crew.Go(func() {
			for t := range queue {
				kept[t.i] = j.run(ctx, t.in)
			}
		})
	}
	err := j.submit(func(first int, part []int) error {
		for i, in := range part {
			queue <- indexed{first + i, in}
		}
		return nil
	})
	close(queue)
	crew.Wait()
	return kept.all, err
}
