package soak

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
)

const (
	// slack is by how much the live heap may differ between the windows: what is
	// there by chance, like a map of the runtime that has grown.
	slack = 256 << 10

	// queueSize is less than a burst, so that submitters wait.
	queueSize = 64

	mostWorkers = 8

	// stuck is how long a cycle may take beyond its time. The load has seconds of
	// work at most when it ends.
	stuck = 2 * time.Minute

	// fewest is how many cycles make a trend.
	fewest = 12
)

// plan says what is to be soaked.
type plan struct {
	newStore func() store.ResultStore[*payload]
	length   time.Duration
	limit    int64  // of memory, in bytes
	first    uint64 // ID
	seed     uint64
	hook     func(number uint64)  // called in each task, if it is not nil
	logf     func(string, ...any) // told how it goes, now and then
}

// A report is what has come of a soak.
type report struct {
	cycles  int
	tasks   uint64
	lastID  store.ID
	refused uint64 // submits that were not accepted, or gave up
	trend   trend
	peak    uint64 // bytes of memory under load
	took    time.Duration
}

func (r report) String() string {
	return fmt.Sprintf("%d tasks in %d cycles and %v, %d submits refused, last ID %d; live heap %s early and %s late; "+
		"goroutines %d early and %d late; %s of memory at most under load",
		r.tasks, r.cycles, r.took.Round(time.Second), r.refused, r.lastID, size(r.trend.early.heap), size(r.trend.late.heap),
		r.trend.early.goroutines, r.trend.late.goroutines, size(r.peak))
}

// soak is one pool under load.
type soak struct {
	plan
	rng    *rand.Rand // of the goroutine that calls begin
	ledger *ledger
	st     *watched
	pool   *pool.Pool[job, *payload]
	before int // goroutines

	numbers atomic.Uint64 // of jobs
	refused atomic.Uint64
	ending  atomic.Bool // the pool may be closed
	waiters waiters
}

// begin soaks until the time is over or something is wrong, which the error tells.
func (p plan) begin() (rep report, err error) {
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(p.limit))
	s := &soak{plan: p, rng: rand.New(rand.NewPCG(p.seed, 0)), ledger: newLedger(), before: goroutines()}
	s.ledger.base = store.ID(p.first - 1)
	s.st = &watched{ResultStore: p.newStore(), ledger: s.ledger, next: store.ID(p.first)}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	s.pool, err = pool.New(ctx, s.run, s.st, &pool.Options{Workers: 2, Queue: queueSize})
	if err != nil {
		return rep, err
	}

	began := time.Now()
	gauge := startGauge()
	s.before++ // the gauge
	samples := make([]sample, 0, 1<<16)
	told := began
	for err == nil && (time.Since(began) < p.length || rep.cycles < fewest) {
		if len(samples) == cap(samples) { // halve them: what is kept must not grow
			for i := range len(samples) / 2 {
				samples[i] = samples[2*i]
			}
			samples = samples[:len(samples)/2]
		}
		var n int
		n, err = s.cycle(ctx)
		now := sample{heap: weigh(), goroutines: runtime.NumGoroutine() - s.before}
		samples = append(samples, now)
		rep.tasks += uint64(n)
		rep.cycles++
		rep.peak = gauge.highest()
		if err == nil && rep.peak > uint64(p.limit) {
			err = fmt.Errorf("%w of %s: %s", errLimit, size(uint64(p.limit)), size(rep.peak))
		}
		if p.logf != nil && time.Since(told) > max(5*time.Second, p.length/20) {
			told = time.Now()
			p.logf("%v: %d tasks, live heap %s, %d goroutines", time.Since(began).Round(time.Second), rep.tasks,
				size(now.heap), now.goroutines)
		}
	}
	gauge.end()
	s.before--
	n, lastErr := s.last(ctx, cancel)
	rep.tasks += uint64(n)
	rep.refused = s.refused.Load()
	rep.lastID = s.ledger.base
	rep.took = time.Since(began)
	rep.trend = trendOf(samples)
	if err == nil {
		err = errors.Join(lastErr, rep.trend.rising())
	}
	runtime.KeepAlive(s)
	return rep, err
}

// cycle is one cycle; it returns how many tasks it had.
func (s *soak) cycle(ctx context.Context) (int, error) {
	length := s.length / 50
	length = min(max(length, 15*time.Millisecond), time.Second)
	length = time.Duration(float64(length) * (0.2 + 1.6*s.rng.Float64()))
	defer s.watch(length)()

	s.load(ctx, length)
	if err := s.mayfly(ctx); err != nil {
		s.ledger.blame(errTask, "in a pool of its own: %v", err)
	}
	if s.ledger.err() != nil { // perhaps the pool will never be quiet
		return 0, s.ledger.err()
	}
	if err := errors.Join(s.pool.Resize(mostWorkers), s.pool.Wait(ctx),
		s.roundOff(ctx), s.pool.Wait(ctx), s.pool.Resize(1)); err != nil {
		return 0, err
	}
	s.quiet(ctx, false)
	n := s.ledger.settle(false)
	s.goroutinesLeft(1)
	return n, s.ledger.err()
}

// roundOff submits tasks until the next ID begins a new segment of package dense,
// which keeps the values of a segment reachable until all of them are deleted: as
// it says, so it is not for the trend to show.
func (s *soak) roundOff(ctx context.Context) error {
	const segment = 1 << 10
	rest := segment - 1 - int(s.ledger.highest()%segment)
	jobs := make([]job, rest)
	for i := range jobs {
		jobs[i] = job{s.numbers.Add(1), succeeds}
	}
	s.ledger.planRest(rest)
	ids, err := s.pool.SubmitAll(ctx, jobs)
	s.accepted(ctx, jobs, ids, err)
	return err
}

// quiet reads what is left, with no task under way.
func (s *soak) quiet(ctx context.Context, ended bool) {
	s.waiters.drain(func(id store.ID) {
		value, err := s.pool.Get(ctx, id)
		s.finish(id, value, err)
	})
	s.sweep(ctx)
	for res := range s.st.All(ctx) {
		s.ledger.blame(errLeft, "it holds the result of task %d", res.ID)
	}
	if stats := s.pool.Stats(); stats.Queued+stats.Running+stats.Unsaved > 0 {
		s.ledger.blame(errStats, "nothing is under way: %+v, ended: %t", stats, ended)
	}
}

// goroutinesLeft waits until no more than so many are left: the last ones may be on
// their way out.
func (s *soak) goroutinesLeft(most int) {
	if s.ledger.err() != nil {
		return
	}
	deadline := time.Now().Add(3 * time.Second)
	for runtime.NumGoroutine()-s.before > most {
		if time.Now().After(deadline) {
			s.ledger.blame(errGoroutines, "%d, want %d at most", runtime.NumGoroutine()-s.before, most)
			return
		}
		time.Sleep(100 * time.Microsecond)
	}
}

// last is the last cycle, in which the pool is ended under load, either way.
func (s *soak) last(ctx context.Context, cancel context.CancelFunc) (int, error) {
	defer s.watch(0)()
	cancelled := s.rng.IntN(2) == 0
	s.ending.Store(true)
	var ender sync.WaitGroup
	ender.Go(func() {
		if cancelled {
			cancel()
		}
		if err := s.pool.Stop(context.Background()); err != nil && !cancelled {
			s.ledger.blame(errAnswer, "Stop: %v", err)
		}
	})
	s.load(context.WithoutCancel(ctx), 10*time.Millisecond)
	ender.Wait()
	<-s.pool.Done()
	s.quiet(context.WithoutCancel(ctx), true)
	n := s.ledger.settle(cancelled)
	s.goroutinesLeft(0)
	return n, s.ledger.err()
}

// watch ends the process, with all goroutines' stacks, if the function that it
// returns is not called in time.
func (s *soak) watch(length time.Duration) (stop func()) {
	t := time.AfterFunc(length+stuck, func() {
		buf := make([]byte, 1<<20)
		panic(fmt.Sprintf("soak: a cycle has not ended after %v, seed %d\n%s",
			length+stuck, s.seed, buf[:runtime.Stack(buf, true)]))
	})
	return func() { t.Stop() }
}
