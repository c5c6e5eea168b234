package chaos

import (
	"context"
	"math/rand/v2"
	"runtime"
	"time"

	"github.com/resultpool/resultpool/internal/check/oracle"
)

// A deed is what a task does.
type deed struct {
	kind deedKind
	long time.Duration  // if it takes time
	kids []*oracle.Task // submitted from inside
	how  oracle.Way     // … in this way
}

type deedKind int

const (
	succeeds  deedKind = iota
	fails              // with a value beside the error
	panics             // with an error
	panicsNil          // with nil
	goexits            // as t.FailNow does
	yields             // and succeeds, as all that follow
	sleeps             // whatever becomes of its context
	obeys              // sleeps until its context ends: then it fails with the cause
	submits            // other tasks
	gets               // the result of a task that may not have ended
	waits
	asks // for the Stats
	resizes
	stops
	deedKinds
)

// deedWeights say how many of the tasks do what, the rarer for what ends the fun.
var deedWeights = [deedKinds]int{
	succeeds: 24, fails: 8, panics: 4, panicsNil: 1, goexits: 4, yields: 12, sleeps: 3, obeys: 3,
	submits: 8, gets: 4, waits: 2, asks: 3, resizes: 1, stops: 1,
}

// task makes a task, and those that it submits.
func (r *round) task(rng *rand.Rand, depth int) *oracle.Task {
	d := &deed{
		kind: deedKind(pick(rng, deedWeights[:])),
		long: time.Duration(rng.IntN(30)) * time.Microsecond,
		how:  oracle.Way(rng.IntN(int(oracle.Ways))),
	}
	switch {
	case d.kind == submits && depth > 1:
		d.kind = succeeds
	case d.kind == submits:
		for range 1 + rng.IntN(2) {
			d.kids = append(d.kids, r.task(rng, depth+1))
		}
	}
	return &oracle.Task{Number: int(r.tasks.Add(1)), Do: d}
}

// do is the task function of a round's pool.
func (r *round) do(ctx context.Context, t *oracle.Task) (int, error) {
	d := t.Do.(*deed)
	switch d.kind {
	case fails:
		return t.Number, &oracle.TaskError{Number: t.Number}
	case panics:
		panic(&oracle.TaskError{Number: t.Number})
	case panicsNil:
		panic(nil) //nolint:govet // on purpose
	case goexits:
		runtime.Goexit()
	case yields:
		runtime.Gosched()
	case sleeps:
		time.Sleep(d.long)
	case obeys:
		timer := time.NewTimer(d.long)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			return t.Number, context.Cause(ctx)
		}
	case submits:
		if d.how == oracle.SubmitAll {
			r.Submit(ctx, d.how, true, d.kids...)
			break
		}
		for _, kid := range d.kids {
			r.Submit(ctx, d.how, true, kid)
		}
	case gets:
		if other := r.Pick(t.Number); other != nil {
			r.Get(ctx, other, true)
		}
	case waits:
		r.Wait(ctx, true)
	case asks:
		r.Stats(none, true)
	case resizes:
		r.Resize(1 + t.Number%5)
	case stops:
		r.Stop(ctx, true)
	}
	return t.Number, nil
}
