package enginetest

import (
	"context"
	"errors"
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
	twists    map[string]func(c *twistedCall)
	opened    func(m *Memory) // called for each new handle, unless it is nil
	lease     func(time.Duration) time.Duration
	retryable func(err error) bool
	handles   int
}

// A twistedCall is a call of a twisted engine. A twist changes what it is given or returns, and has
// the Memory do its work by do, or not.
type twistedCall struct {
	*call
	*Memory
}

// do makes the call as it should be made.
func (c *twistedCall) do() { c.make(wholeOf(c.Memory)) }

// locked calls f with what all handles share.
func (c *twistedCall) locked(f func(d *memory)) {
	c.data.mu.Lock()
	defer c.data.mu.Unlock()
	f(c.data)
}

// on has each call of these methods made by f.
func (r *rig) on(methods string, f func(c *twistedCall)) {
	for _, method := range strings.Fields(methods) {
		r.twists[method] = f
	}
}

func on(methods string, f func(c *twistedCall)) func(*rig) {
	return func(r *rig) { r.on(methods, f) }
}

// looking has two calls of a method act upon what they saw before either did: look is called with
// mu held and returns what to do a moment later, with mu held again, before the Memory does its
// work. It does none if that is nil.
func looking(method string, look func(c *twistedCall, d *memory) (act func())) func(*rig) {
	return on(method, func(c *twistedCall) {
		var act func()
		c.locked(func(d *memory) { act = look(c, d) })
		if act != nil {
			time.Sleep(time.Microsecond)
			c.locked(func(*memory) { act() })
			c.do()
		}
	})
}

// before calls f before each call of these methods.
func before(methods string, f func(c *twistedCall)) func(*rig) {
	return on(methods, func(c *twistedCall) { f(c); c.do() })
}

// after calls f after each call of these methods.
func after(methods string, f func(c *twistedCall)) func(*rig) {
	return on(methods, func(c *twistedCall) { c.do(); f(c) })
}

// failing calls f after each call of these methods that has failed.
func failing(methods string, f func(c *twistedCall)) func(*rig) {
	return after(methods, func(c *twistedCall) {
		if c.err != nil {
			f(c)
		}
	})
}

type yield = func(engine.Record, error) bool

// loops has f yield what All should have yielded, which is c.seq.
func loops(f func(c *twistedCall, yield yield)) func(*rig) {
	return after("All", func(c *twistedCall) {
		whole := *c.call
		looping := &twistedCall{&whole, c.Memory}
		c.seq = func(yield yield) { f(looping, yield) }
	})
}

// loopsEach has f called with each pair that All should have yielded, until it returns false.
func loopsEach(f func(rec engine.Record, err error, yield yield) bool) func(*rig) {
	return loops(func(c *twistedCall, yield yield) {
		c.seq(func(rec engine.Record, err error) bool { return f(rec, err, yield) })
	})
}

// A twisted engine is one handle on the engine of a rig.
type twisted struct {
	wrapped
	rig *rig
}

func (b *twisted) Lease() time.Duration { return b.rig.lease(b.eng.Lease()) }

func (b *twisted) Retryable(err error) bool { return b.rig.retryable(err) }

// open returns a new handle on what m is a handle on.
func (r *rig) open(m *Memory) engine.Engine {
	r.handles++
	if r.opened != nil {
		r.opened(m)
	}
	around := func(c *call) {
		twist := r.twists[c.method]
		if twist == nil {
			twist = (*twistedCall).do
		}
		twist(&twistedCall{c, m})
	}
	return &twisted{wrapped{wholeOf(m), around}, r}
}

// newSubject returns a Subject of engines that are broken so.
func (b broken) newSubject(tb testing.TB) Subject {
	sub := newMemory(time.Second)
	open := sub.Open
	r := &rig{
		TB:        tb,
		twists:    make(map[string]func(*twistedCall)),
		lease:     func(d time.Duration) time.Duration { return d },
		retryable: NewMemory(nil).Retryable,
	}
	b.twist(r)
	sub.Open = func(ctx context.Context) (engine.Engine, error) {
		m, err := open(ctx)
		return r.open(m.(*Memory)), err
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
