package enginetest

import (
	"context"
	"errors"
	"iter"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/engine"
)

// A twisted engine is a Memory of which some methods do something else. Each gets the
// Memory to do what it should.
type twisted struct {
	*Memory
	push    func(ctx context.Context, key string, tasks [][]byte) ([]uint64, error)
	pull    func(ctx context.Context, limit int) ([]engine.Delivery, error)
	ack     func(ctx context.Context, ds []engine.Delivery) error
	nack    func(ctx context.Context, ds []engine.Delivery) error
	extend  func(ctx context.Context, ds []engine.Delivery) error
	save    func(ctx context.Context, recs []engine.Record) error
	load    func(ctx context.Context, id uint64) ([]byte, error)
	del     func(ctx context.Context, ids []uint64) error
	all     func(ctx context.Context) iter.Seq2[engine.Record, error]
	close   func() error
	wait    func(ctx context.Context, id uint64) ([]byte, error)
	start   func(ctx context.Context, id uint64, n int) (int, error)
	size    func(ctx context.Context) (uint64, error)
	kind    func(ctx context.Context, kind string) (string, error)
	retries func(err error) bool
	lease   func() time.Duration
}

var _ interface {
	engine.Engine
	engine.Waiter
	engine.StartMarker
	engine.Sizer
	engine.Describer
	engine.Retryabler
} = (*twisted)(nil)

func (b *twisted) Push(ctx context.Context, key string, tasks [][]byte) ([]uint64, error) {
	if b.push != nil {
		return b.push(ctx, key, tasks)
	}
	return b.Memory.Push(ctx, key, tasks)
}

func (b *twisted) Pull(ctx context.Context, limit int) ([]engine.Delivery, error) {
	if b.pull != nil {
		return b.pull(ctx, limit)
	}
	return b.Memory.Pull(ctx, limit)
}

func (b *twisted) Ack(ctx context.Context, ds []engine.Delivery) error {
	if b.ack != nil {
		return b.ack(ctx, ds)
	}
	return b.Memory.Ack(ctx, ds)
}

func (b *twisted) Nack(ctx context.Context, ds []engine.Delivery) error {
	if b.nack != nil {
		return b.nack(ctx, ds)
	}
	return b.Memory.Nack(ctx, ds)
}

func (b *twisted) Extend(ctx context.Context, ds []engine.Delivery) error {
	if b.extend != nil {
		return b.extend(ctx, ds)
	}
	return b.Memory.Extend(ctx, ds)
}

func (b *twisted) Save(ctx context.Context, recs []engine.Record) error {
	if b.save != nil {
		return b.save(ctx, recs)
	}
	return b.Memory.Save(ctx, recs)
}

func (b *twisted) Load(ctx context.Context, id uint64) ([]byte, error) {
	if b.load != nil {
		return b.load(ctx, id)
	}
	return b.Memory.Load(ctx, id)
}

func (b *twisted) Delete(ctx context.Context, ids []uint64) error {
	if b.del != nil {
		return b.del(ctx, ids)
	}
	return b.Memory.Delete(ctx, ids)
}

func (b *twisted) All(ctx context.Context) iter.Seq2[engine.Record, error] {
	if b.all != nil {
		return b.all(ctx)
	}
	return b.Memory.All(ctx)
}

func (b *twisted) Close() error {
	if b.close != nil {
		return b.close()
	}
	return b.Memory.Close()
}

func (b *twisted) Wait(ctx context.Context, id uint64) ([]byte, error) {
	if b.wait != nil {
		return b.wait(ctx, id)
	}
	return b.Memory.Wait(ctx, id)
}

func (b *twisted) MarkStart(ctx context.Context, id uint64, n int) (int, error) {
	if b.start != nil {
		return b.start(ctx, id, n)
	}
	return b.Memory.MarkStart(ctx, id, n)
}

func (b *twisted) Size(ctx context.Context) (uint64, error) {
	if b.size != nil {
		return b.size(ctx)
	}
	return b.Memory.Size(ctx)
}

func (b *twisted) Describe(ctx context.Context, kind string) (string, error) {
	if b.kind != nil {
		return b.kind(ctx, kind)
	}
	return b.Memory.Describe(ctx, kind)
}

func (b *twisted) Retryable(err error) bool {
	if b.retries != nil {
		return b.retries(err)
	}
	return b.Memory.Retryable(err)
}

func (b *twisted) Lease() time.Duration {
	if b.lease != nil {
		return b.lease()
	}
	return b.Memory.Lease()
}

// A broken engine has one fault, and checks that must find it.
type broken struct {
	fault  string
	checks []string

	// twist is called for each subject, so that handles can share something, and what it
	// returns for each handle. tb's Cleanup functions are called at the end of the check.
	twist func(tb testing.TB) func(b *twisted)
}

// each is a twist of handles that share nothing but the data.
func each(twist func(b *twisted)) func(testing.TB) func(*twisted) {
	return func(testing.TB) func(*twisted) { return twist }
}

var brokenEngines = slices.Concat(brokenPushes, brokenPulls, brokenLeases, brokenRecords, brokenLoops,
	brokenCloses, brokenSlices, brokenContexts, brokenOffers)

func (b broken) newSubject(tb testing.TB) Subject {
	sub := newMemory(time.Second)
	open, twist := sub.Open, b.twist(tb)
	sub.Open = func(ctx context.Context) (engine.Engine, error) {
		m, err := open(ctx)
		eng := &twisted{Memory: m.(*Memory)}
		twist(eng)
		return eng, err
	}
	return sub
}

func checkNamed(name string) (check, bool) {
	i := slices.IndexFunc(checks, func(c check) bool { return c.fullName() == name })
	if i < 0 {
		return check{}, false
	}
	return checks[i], true
}

// TestEachCheckRejectsItsEngines runs in bubbles, where leases cost no time.
func TestEachCheckRejectsItsEngines(t *testing.T) {
	rejected := make(map[string]bool)
	for _, b := range brokenEngines {
		t.Run(b.fault, func(t *testing.T) {
			for _, name := range b.checks {
				c, ok := checkNamed(name)
				require.True(t, ok, name)
				rejected[name] = true
				synctest.Test(t, func(t *testing.T) {
					err := c.verdict(t, b.newSubject, runLimits)
					require.Error(t, err, "%s passes", name)
					assert.NotErrorIs(t, err, errNotOffered, name)
					assert.NotErrorIs(t, err, errSlow, name)
					assert.NotContains(t, err.Error(), "panic: ", "%s", name)
					t.Logf("%s: %.300s", name, err)
				})
			}
		})
	}
	for _, c := range checks {
		assert.True(t, rejected[c.fullName()], "%s has no engine to reject", c.fullName())
	}
}

// TestNoCheckRejectsAMemory does so, and shows that the bubbles are none of the faults.
func TestNoCheckRejectsAMemory(t *testing.T) {
	whole := broken{twist: each(func(*twisted) {})}
	for _, c := range checks {
		synctest.Test(t, func(t *testing.T) {
			assert.NoError(t, c.verdict(t, whole.newSubject, runLimits), c.fullName())
		})
	}
}

// TestFaultsAreNamedOnce has the names of subtests tell which engine it is.
func TestFaultsAreNamedOnce(t *testing.T) {
	seen := make(map[string]bool)
	for _, b := range brokenEngines {
		assert.False(t, seen[b.fault], b.fault)
		seen[b.fault] = true
		assert.NotEmpty(t, b.checks, b.fault)
		assert.NotContains(t, b.fault, "/")
	}
}

var errBroken = errors.New("broken")
