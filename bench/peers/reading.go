package main

import (
	"context"
	"errors"
	"sync"

	"github.com/alitto/pond/v2"
	"github.com/sourcegraph/conc/stream"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
)

// readers hand each result to one goroutine while other tasks still run. Those with
// "in order" do so in the order of submission, the others as tasks end.
var readers = []rival{
	{"dense", "resultpool, Get and Delete, in order", ours, modResultpool, readOurs},
	{"pond-futures", "pond, a future for each, in order", theirs, modPond, readPond},
	{"conc-stream", "conc, Stream, in order", theirs, modConc, readConc},
	{"ants-channel", "ants, a channel of results", theirs, modAnts, throughChannel(runAnts)},
	{"workerpool-channel", "workerpool, a channel of results", theirs, modWorkerpool, throughChannel(runWorkerpool)},
	{"errgroup-channel", "errgroup, a channel of results", theirs, modSync, throughChannel(runErrgroup)},
	{"channel", "plain channels, of tasks and of results", theirs, "", throughChannel(runChannel)},
}

// A reader is the goroutine that handles results, one after the other. What it is
// sent says how to get one.
type reader[F any] struct {
	futures chan F
	gone    sync.WaitGroup
	kept    outcomes
}

func newReader[F any](n int, get func(F) outcome) *reader[F] {
	r := &reader[F]{futures: make(chan F, queueLen), kept: make(outcomes, 0, n)}
	r.gone.Go(func() {
		for f := range r.futures {
			r.kept = append(r.kept, get(f))
		}
	})
	return r
}

// end returns when all is read.
func (r *reader[F]) end() results {
	close(r.futures)
	r.gone.Wait()
	return r.kept.all
}

// readOurs deletes what it has read: a program that goes on for ever has to.
func readOurs(ctx context.Context, j job) (results, error) {
	st := newDense()
	p, err := pool.New(ctx, j.fn, st, &pool.Options{Workers: j.workers})
	if err != nil {
		return nil, err
	}
	r := newReader(len(j.in), func(id store.ID) outcome {
		v, err := p.Get(ctx, id)
		return outcome{v, errors.Join(err, st.Delete(ctx, id))}
	})
	err = j.submit(func(_ int, part []int) error {
		for _, in := range part {
			id, err := p.Submit(ctx, in)
			if err != nil {
				return err
			}
			r.futures <- id
		}
		return nil
	})
	return r.end(), errors.Join(err, p.Stop(ctx))
}

func readPond(ctx context.Context, j job) (results, error) {
	p := pond.NewResultPool[int](j.workers)
	defer p.StopAndWait()
	r := newReader(len(j.in), func(f pond.ResultTask[int]) outcome {
		v, err := f.Wait()
		return outcome{v, err}
	})
	err := j.submit(func(_ int, part []int) error {
		for _, in := range part {
			r.futures <- p.SubmitErr(func() (int, error) { return j.fn(ctx, in) })
		}
		return nil
	})
	return r.end(), err
}

// readConc needs no channel: a Stream calls back, from one goroutine.
func readConc(ctx context.Context, j job) (results, error) {
	kept := make(outcomes, 0, len(j.in))
	s := stream.New().WithMaxGoroutines(j.workers)
	err := j.submit(func(_ int, part []int) error {
		for _, in := range part {
			s.Go(func() stream.Callback {
				o := j.run(ctx, in)
				return func() { kept = append(kept, o) }
			})
		}
		return nil
	})
	s.Wait()
	return kept.all, err
}

func throughChannel(run runner) func(context.Context, job) (results, error) {
	return func(ctx context.Context, j job) (results, error) {
		r := newReader(len(j.in), func(o outcome) outcome { return o })
		err := run(ctx, j, func(i int) { r.futures <- j.run(ctx, j.in[i]) })
		return r.end(), err
	}
}
