package enginetest

import (
	"context"
	"errors"
	"iter"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/engine"
	"github.com/resultpool/resultpool/internal/kit"
)

// A broken engine has one fault, and checks that must find it.
type broken struct {
	fault  string
	checks string
	twist  func(r *rig) // called for each subject
}

// A rig is a subject's engine, a Memory, with twists in its methods.
type rig struct {
	testing.TB
	twists  map[string]func(c *call)
	opened  func(b *twisted) // called for each new handle, unless it is nil
	handles int
}

// A call is one call of a method: what it was given, and what it will return. A twist changes
// both, and has the Memory do its work with do, or not.
type call struct {
	*Memory
	handle int // a number
	do     func()

	ctx   context.Context
	key   string
	tasks [][]byte
	limit int
	ds    []engine.Delivery // given, or returned by Pull
	recs  []engine.Record
	ids   []uint64 // given, or returned by Push
	id    uint64
	got   []byte // returned by Load and Wait
	seq   iter.Seq2[engine.Record, error]
	n     int    // of starts or tasks: given, and returned
	kind  string // given, and returned
	lease time.Duration
	ok    bool
	err   error // returned, or given to Retryable
}

// locked calls f with what all handles share.
func (c *call) locked(f func(d *memory)) {
	c.data.mu.Lock()
	defer c.data.mu.Unlock()
	f(c.data)
}

// on has each call of these methods made by f.
func (r *rig) on(methods string, f func(c *call)) {
	for _, method := range strings.Fields(methods) {
		r.twists[method] = f
	}
}

func on(methods string, f func(c *call)) func(*rig) {
	return func(r *rig) { r.on(methods, f) }
}

// before calls f before each call of these methods.
func before(methods string, f func(c *call)) func(*rig) {
	return on(methods, func(c *call) { f(c); c.do() })
}

// after calls f after each call of these methods.
func after(methods string, f func(c *call)) func(*rig) {
	return on(methods, func(c *call) { c.do(); f(c) })
}

type yield = func(engine.Record, error) bool

// loops has f yield what All should have yielded, which is c.seq.
func loops(f func(c *call, yield yield)) func(*rig) {
	return after("All", func(c *call) {
		inner := *c
		c.seq = func(yield yield) { f(&inner, yield) }
	})
}

// A twisted engine is one handle on the engine of a rig.
type twisted struct {
	*Memory
	rig    *rig
	number int
}

func (b *twisted) call(method string, c *call, do func()) {
	c.Memory, c.handle, c.do = b.Memory, b.number, do
	if twist := b.rig.twists[method]; twist != nil {
		do = func() { twist(c) }
	}
	do()
}

func (b *twisted) Push(ctx context.Context, key string, tasks [][]byte) ([]uint64, error) {
	c := &call{ctx: ctx, key: key, tasks: tasks}
	b.call("Push", c, func() { c.ids, c.err = c.Push(c.ctx, c.key, c.tasks) })
	return c.ids, c.err
}

func (b *twisted) Pull(ctx context.Context, limit int) ([]engine.Delivery, error) {
	c := &call{ctx: ctx, limit: limit}
	b.call("Pull", c, func() { c.ds, c.err = c.Pull(c.ctx, c.limit) })
	return c.ds, c.err
}

func (b *twisted) Ack(ctx context.Context, ds []engine.Delivery) error {
	c := &call{ctx: ctx, ds: ds}
	b.call("Ack", c, func() { c.err = c.Ack(c.ctx, c.ds) })
	return c.err
}

func (b *twisted) Nack(ctx context.Context, ds []engine.Delivery) error {
	c := &call{ctx: ctx, ds: ds}
	b.call("Nack", c, func() { c.err = c.Nack(c.ctx, c.ds) })
	return c.err
}

func (b *twisted) Extend(ctx context.Context, ds []engine.Delivery) error {
	c := &call{ctx: ctx, ds: ds}
	b.call("Extend", c, func() { c.err = c.Extend(c.ctx, c.ds) })
	return c.err
}

func (b *twisted) Save(ctx context.Context, recs []engine.Record) error {
	c := &call{ctx: ctx, recs: recs}
	b.call("Save", c, func() { c.err = c.Save(c.ctx, c.recs) })
	return c.err
}

func (b *twisted) Load(ctx context.Context, id uint64) ([]byte, error) {
	c := &call{ctx: ctx, id: id}
	b.call("Load", c, func() { c.got, c.err = c.Load(c.ctx, c.id) })
	return c.got, c.err
}

func (b *twisted) Delete(ctx context.Context, ids []uint64) error {
	c := &call{ctx: ctx, ids: ids}
	b.call("Delete", c, func() { c.err = c.Delete(c.ctx, c.ids) })
	return c.err
}

func (b *twisted) All(ctx context.Context) iter.Seq2[engine.Record, error] {
	c := &call{ctx: ctx}
	b.call("All", c, func() { c.seq = c.All(c.ctx) })
	return c.seq
}

func (b *twisted) Close() error {
	c := &call{ctx: context.Background()}
	b.call("Close", c, func() { c.err = c.Close() })
	return c.err
}

func (b *twisted) Wait(ctx context.Context, id uint64) ([]byte, error) {
	c := &call{ctx: ctx, id: id}
	b.call("Wait", c, func() { c.got, c.err = c.Wait(c.ctx, c.id) })
	return c.got, c.err
}

func (b *twisted) MarkStart(ctx context.Context, id uint64, n int) (int, error) {
	c := &call{ctx: ctx, id: id, n: n}
	b.call("MarkStart", c, func() { c.n, c.err = c.MarkStart(c.ctx, c.id, c.n) })
	return c.n, c.err
}

func (b *twisted) Size(ctx context.Context) (uint64, error) {
	c := &call{ctx: ctx}
	b.call("Size", c, func() {
		n, err := c.Size(c.ctx)
		c.n, c.err = int(n), err
	})
	return uint64(c.n), c.err
}

func (b *twisted) Describe(ctx context.Context, kind string) (string, error) {
	c := &call{ctx: ctx, kind: kind}
	b.call("Describe", c, func() { c.kind, c.err = c.Describe(c.ctx, c.kind) })
	return c.kind, c.err
}

func (b *twisted) Retryable(err error) bool {
	c := &call{err: err}
	b.call("Retryable", c, func() { c.ok = c.Retryable(c.err) })
	return c.ok
}

func (b *twisted) Lease() time.Duration {
	c := &call{}
	b.call("Lease", c, func() { c.lease = c.Memory.Lease() })
	return c.lease
}

// newSubject returns a Subject of engines that are broken so.
func (b broken) newSubject(tb testing.TB) Subject {
	sub := newMemory(time.Second)
	open := sub.Open
	r := &rig{TB: tb, twists: make(map[string]func(*call))}
	b.twist(r)
	sub.Open = func(ctx context.Context) (engine.Engine, error) {
		m, err := open(ctx)
		r.handles++
		eng := &twisted{m.(*Memory), r, r.handles}
		if r.opened != nil {
			r.opened(eng)
		}
		return eng, err
	}
	return sub
}

func (b broken) verdict(t *testing.T, c check) error {
	return verdict(newRun(b.newSubject, patience, remembering), t, c)
}

func brokenEngines() []broken {
	return slices.Concat(brokenPushes, brokenPulls, brokenLeases, brokenRecords, brokenLoops,
		brokenCloses, brokenSlices, brokenContexts, brokenOffers)
}

// TestEachCheckRejectsItsEngines runs in bubbles, where leases cost no time.
func TestEachCheckRejectsItsEngines(t *testing.T) {
	rejected := make(map[string]bool)
	for _, b := range brokenEngines() {
		t.Run(b.fault, func(t *testing.T) {
			for _, name := range strings.Fields(b.checks) {
				i := slices.IndexFunc(checks, func(c check) bool { return c.FullName() == name })
				require.GreaterOrEqual(t, i, 0, name)
				rejected[name] = true
				synctest.Test(t, func(t *testing.T) {
					err := b.verdict(t, checks[i])
					require.Error(t, err, "%s passes", name)
					assert.NotErrorIs(t, err, kit.ErrNotOffered, name)
					assert.NotErrorIs(t, err, errSlow, name)
					assert.False(t, kit.IsHung(err), name)
					assert.NotContains(t, err.Error(), "panic: ", "%s", name)
					t.Logf("%s: %.300s", name, err)
				})
			}
		})
	}
	for _, c := range checks {
		assert.True(t, rejected[c.FullName()], "%s has no engine to reject", c.FullName())
	}
}

// TestNoCheckRejectsAMemory shows that neither the bubbles nor the rig are the faults.
func TestNoCheckRejectsAMemory(t *testing.T) {
	whole := broken{twist: func(*rig) {}}
	for _, c := range checks {
		synctest.Test(t, func(t *testing.T) {
			assert.NoError(t, whole.verdict(t, c), c.FullName())
		})
	}
}

var errBroken = errors.New("broken")
