package main

import (
	"context"
	"errors"
	"sync"
)

// A job is the tasks of one measurement: fn for each of in.
type job struct {
	in         []int
	fn         task
	workers    int
	submitters int

	// pause, if there is one, is called when half of in has been submitted.
	pause func()
}

// submit calls do for the part of each submitter, on a goroutine for each if
// there are several. first is the index of part[0] in j.in.
func (j job) submit(do func(first int, part []int) error) error {
	if j.pause != nil {
		half := len(j.in) / 2
		if err := do(0, j.in[:half]); err != nil {
			return err
		}
		j.pause()
		return do(half, j.in[half:])
	}
	if j.submitters == 1 {
		return do(0, j.in)
	}
	return j.split(j.submitters, func(_, first int, part []int) error { return do(first, part) })
}

// split calls do for each of k parts of j.in that are about as long as each
// other, all at once, and returns when the calls have.
func (j job) split(k int, do func(nth, first int, part []int) error) error {
	var crew sync.WaitGroup
	errs := make([]error, k)
	for nth := range k {
		first, end := nth*len(j.in)/k, (nth+1)*len(j.in)/k
		crew.Go(func() { errs[nth] = do(nth, first, j.in[first:end]) })
	}
	crew.Wait()
	return errors.Join(errs...)
}

// outcome is what a task returned, for pools that keep none or only values.
type outcome struct {
	value int
	err   error
}

func (j job) run(ctx context.Context, in int) outcome {
	v, err := j.fn(ctx, in)
	return outcome{v, err}
}

// outcomes are results in a slice.
type outcomes []outcome

func (o outcomes) all(yield func(int, error) bool) {
	for _, one := range o {
		if !yield(one.value, one.err) {
			return
		}
	}
}

// lockedMap keeps results as programs do that have no place for each: in a map
// under a RWMutex. Its key is the index of the task.
type lockedMap struct {
	mu sync.RWMutex
	m  map[int]outcome // guarded by mu
}

func (l *lockedMap) put(i int, o outcome) {
	l.mu.Lock()
	l.m[i] = o
	l.mu.Unlock()
}

func (l *lockedMap) all(yield func(int, error) bool) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	for _, o := range l.m {
		if !yield(o.value, o.err) {
			return
		}
	}
}
