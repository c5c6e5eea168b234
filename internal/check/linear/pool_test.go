package linear

import (
	"context"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/store"
)

func TestPoolIsLinearizable(t *testing.T) {
	for _, st := range stores {
		t.Run(st.name, func(t *testing.T) {
			repeat(t, func(k *checker, now clock, seed uint64) error {
				return runPool(k, st.make(), nil, now, seed)
			})
		})
	}
}

// brokenPools are pools with something in front of them that is wrong now and then.
var brokenPools = map[string]func(*poolRound){
	"Get does not wait":            func(r *poolRound) { r.subject = &impatient{subject: r.subject, st: r.st} },
	"Wait returns at once":         func(r *poolRound) { r.subject = &waitless{subject: r.subject} },
	"Submit gives another's ID":    func(r *poolRound) { r.subject = &misnames{subject: r.subject} },
	"Results shows what is gone":   func(r *poolRound) { r.subject = &remembers{subject: r.subject} },
	"Submit runs the task as well": func(r *poolRound) { r.subject = &eager{subject: r.subject, r: r} },
	"Submit takes the task back":   func(r *poolRound) { r.subject = &drops{subject: r.subject} },
	"Get gives another's outcome":  func(r *poolRound) { r.subject = &confuses{subject: r.subject} },
}

// brokenPoolStores are stores that make a pool break its promises.
var brokenPoolStores = map[string]func() store.ResultStore[int]{
	"the store takes results late":        func() store.ResultStore[int] { return &buffered{sound: newSound()} },
	"the store shows what it has deleted": func() store.ResultStore[int] { return &cached{sound: newSound()} },
}

func TestPoolCheckerBites(t *testing.T) {
	bites := func(name string, newStore func() store.ResultStore[int], breaks func(*poolRound)) {
		t.Run(name, func(t *testing.T) {
			k := &checker{dir: t.TempDir()}
			began := time.Now()
			for round := 0; time.Since(began) < time.Minute; round++ {
				if err := runPool(k, newStore(), breaks, clockOf(round), uint64(round+1)); err != nil {
					require.ErrorIs(t, err, errRejected)
					t.Logf("rejected in round %d, after %d operations", round, k.operations)
					return
				}
			}
			t.Errorf("not rejected in a minute: %v", k)
		})
	}
	for _, name := range slices.Sorted(maps.Keys(brokenPools)) {
		bites(name, func() store.ResultStore[int] { return newSound() }, brokenPools[name])
	}
	for _, name := range slices.Sorted(maps.Keys(brokenPoolStores)) {
		bites(name, brokenPoolStores[name], nil)
	}
}

// now and then, in turn.
type now struct {
	mu sync.Mutex
	n  int
}

func (t *now) andThen() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.n++
	return t.n%3 == 0
}

type impatient struct {
	subject
	now
	st store.ResultStore[int]
}

func (p *impatient) Get(ctx context.Context, id store.ID) (int, error) {
	if p.andThen() {
		res, err := p.st.Get(ctx, id)
		if err == nil {
			err = res.Err
		}
		return res.Value, err
	}
	return p.subject.Get(ctx, id)
}

type waitless struct{ subject }

func (p *waitless) Wait(context.Context) error { return nil }

type misnames struct {
	subject
	now
}

func (p *misnames) Submit(ctx context.Context, in int) (store.ID, error) {
	id, err := p.subject.Submit(ctx, in)
	if err == nil && p.andThen() {
		id++
	}
	return id, err
}

// remembers adds to what there is what was there the last time.
type remembers struct {
	subject
	mu   sync.Mutex
	last map[store.ID]store.Result[int]
}

func (p *remembers) Results(ctx context.Context) (map[store.ID]store.Result[int], error) {
	all, err := p.subject.Results(ctx)
	p.mu.Lock()
	defer p.mu.Unlock()
	maps.Copy(all, p.last)
	p.last = maps.Clone(all)
	return all, err
}

type eager struct {
	subject
	now
	r *poolRound
}

func (p *eager) Submit(ctx context.Context, in int) (store.ID, error) {
	id, err := p.subject.Submit(ctx, in)
	if err == nil && in%5 == 0 && p.andThen() {
		_, _ = p.r.task(ctx, in)
	}
	return id, err
}

// drops says that a task was accepted which it did not hand in.
type drops struct {
	subject
	now
}

func (p *drops) Submit(ctx context.Context, in int) (store.ID, error) {
	if p.andThen() {
		return 1, nil
	}
	return p.subject.Submit(ctx, in)
}

type confuses struct {
	subject
	now
}

func (p *confuses) Get(ctx context.Context, id store.ID) (int, error) {
	if id > 1 && p.andThen() {
		id--
	}
	return p.subject.Get(ctx, id)
}

// TestTaskModel: histories written by hand.
func TestTaskModel(t *testing.T) {
	type op = operation[taskCall, taskReply]
	at := func(kind taskKind, r taskReply, call, ret int64) op {
		number := 0
		if kind == accepted || kind == ran {
			number = 5
		}
		return op{taskCall{kind, 1, number}, r, call, ret}
	}
	done, five, none := taskReply{}, taskReply{found, 5}, taskReply{verdict: missing}
	unrun := taskReply{found, notRun}
	normal := []op{at(accepted, done, 1, 2), at(ran, done, 3, 4), at(stored, five, 5, 6)}
	for _, c := range []struct {
		name string
		ok   bool
		ops  []op
	}{
		{"a task", true, append(slices.Clone(normal), at(got, five, 7, 8), at(deleted, done, 9, 10), at(got, none, 11, 12))},
		{"it runs before Submit returns", true, []op{at(accepted, done, 1, 9), at(ran, done, 2, 3), at(stored, five, 4, 5)}},
		{"it runs before it is submitted", false, []op{at(accepted, done, 5, 9), at(ran, done, 2, 3), at(stored, five, 6, 7)}},
		{"it runs twice", false, append(slices.Clone(normal), at(ran, done, 7, 8))},
		{"it is put twice", false, append(slices.Clone(normal), at(stored, five, 7, 8))},
		{"it is put again after it was deleted", false,
			append(slices.Clone(normal), at(deleted, done, 7, 8), at(stored, five, 9, 10))},
		{"another's outcome is put", false,
			[]op{at(accepted, done, 1, 2), at(ran, done, 3, 4), at(stored, taskReply{found, 6}, 5, 6)}},
		{"it is not run", true, []op{at(accepted, done, 1, 2), at(stored, unrun, 3, 4), at(got, unrun, 5, 6)}},
		{"it is run and put as not run", false, []op{at(accepted, done, 1, 2), at(ran, done, 3, 4), at(stored, unrun, 5, 6)}},
		{"Get does not wait", false, append(slices.Clone(normal), at(got, none, 3, 4))},
		{"Get finds it before it is put", false, append(slices.Clone(normal), at(got, five, 3, 4))},
		{"Results does not wait", true, append(slices.Clone(normal), at(listed, none, 3, 4))},
		{"Results leaves it out", false, append(slices.Clone(normal), at(listed, none, 7, 8))},
		{"Wait waits", true, append(slices.Clone(normal), at(quiet, none, 3, 8))},
		{"Wait does not wait", false, append(slices.Clone(normal), at(quiet, none, 3, 4))},
		{"Wait has begun before there was a task", true, append(slices.Clone(normal), at(quiet, none, 0, 4))},
	} {
		l := newLog[taskCall, taskReply](0, counter(), 0)
		l.ops = c.ops
		assert.Equal(t, c.ok, porcupine.CheckOperations(taskModel(), history(l)), c.name)
	}
}
