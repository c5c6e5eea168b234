package monitor_test

import (
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/monitor"
	"github.com/resultpool/resultpool/store"
)

// Nobody looks: no look. One looks, or a hundred: one look a second. The last one goes: no look, and no goroutine.
func TestSamplerSleeps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, f := newMonitor(t, nil), &fake{}
		m.Add("p", f)
		time.Sleep(time.Hour)
		assert.Zero(t, f.looked())

		var viewers []*viewer
		for range 100 {
			viewers = append(viewers, view(m, "/events", true))
		}
		synctest.Wait()
		assert.Equal(t, 1, f.looked())
		time.Sleep(10 * time.Second)
		synctest.Wait()
		assert.Equal(t, 11, f.looked())
		for _, v := range viewers {
			assert.Len(t, v.got(t), 11)
			v.leave()
		}
		synctest.Wait() // or the bubble would say that there are goroutines
		looked := f.looked()
		time.Sleep(time.Hour)
		assert.Equal(t, looked, f.looked())

		v := view(m, "/events", true)
		time.Sleep(2500 * time.Millisecond)
		assert.Equal(t, looked+3, f.looked(), "it wakes again")
		v.leave()
	})
}

// Requests look for themselves, once in Every.
func TestLookOnDemand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for every, want := range map[time.Duration]time.Duration{0: time.Second, -1: time.Second, 1: 100 * time.Millisecond, time.Minute: time.Minute} {
			m, f := newMonitor(t, &monitor.Options{Every: every}), &fake{}
			m.Add("p", f)
			for range 5 {
				for _, path := range []string{"/stats", "/metrics"} {
					require.Equal(t, 200, get(m, path).Code)
				}
			}
			assert.Equal(t, 1, f.looked())
			time.Sleep(want - 1)
			get(m, "/stats")
			assert.Equal(t, 1, f.looked())
			time.Sleep(time.Nanosecond)
			get(m, "/metrics")
			assert.Equal(t, 2, f.looked())
		}
	})
}

func TestAgesOfRunning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, f := newMonitor(t, nil), &fake{running: []store.ID{3, 7, 1 << 60}}
		m.Add("p", f)
		get(m, "/stats")
		time.Sleep(5 * time.Second)
		f.set(func(f *fake) { f.running = []store.ID{1 << 60, 8, 3} }) // out of order, too
		get(m, "/stats")
		time.Sleep(time.Minute)
		p := stats(t, m)
		require.Len(t, p.LongestRunning, 3)
		for i, want := range []struct {
			id  string
			age float64
		}{{"3", 65}, {"1152921504606846976", 65}, {"8", 60}} {
			assert.Equal(t, want.id, p.LongestRunning[i].ID)
			assert.InDelta(t, want.age, p.LongestRunning[i].Seconds, 1e-9)
			assert.True(t, p.LongestRunning[i].Stuck, "a minute is the default")
		}
		assert.Equal(t, 3, p.Stuck)
		assert.InDelta(t, 65, *p.LongestRunningSeconds, 1e-9)

		f.set(func(f *fake) { f.running = nil })
		time.Sleep(time.Second)
		assert.Empty(t, stats(t, m).LongestRunning)
		f.set(func(f *fake) { f.running = []store.ID{3} })
		time.Sleep(time.Second)
		assert.InDelta(t, 0, stats(t, m).LongestRunning[0].Seconds, 1e-9, "it runs again")
	})
}

// The ten that have run for longest are shown, in that order, out of any number.
func TestLongestRunning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, f := newMonitor(t, &monitor.Options{Stuck: -1}), &fake{}
		m.Add("p", f)
		for i := range 30 {
			f.set(func(f *fake) { f.running = append([]store.ID{store.ID(100 - i)}, f.running...) })
			get(m, "/stats")
			time.Sleep(time.Hour)
		}
		p := stats(t, m)
		assert.Zero(t, p.Stuck, "Stuck is negative")
		require.Len(t, p.LongestRunning, 10)
		for i, r := range p.LongestRunning {
			assert.Equal(t, fmt.Sprint(100-i), r.ID)
			assert.InDelta(t, seconds(time.Duration(30-i)*time.Hour), r.Seconds, 1e-9)
		}
	})
}

// waiting is a pool's line in a test: tasks are submitted, start in any order and wait again.
type waiting struct {
	f     *fake
	since map[store.ID]time.Time
}

func (w *waiting) submit(n int) {
	w.f.set(func(f *fake) {
		for range n {
			f.stats.Submitted++
			w.since[store.ID(f.stats.Submitted)] = time.Now()
		}
	})
	w.tell()
}

func (w *waiting) start(ids ...store.ID) {
	w.f.set(func(f *fake) {
		for _, id := range ids {
			delete(w.since, id)
			f.running = []store.ID{id} // so that IDs are seen
		}
	})
	w.tell()
}

func (w *waiting) tell() {
	w.f.set(func(f *fake) {
		f.stats.Queued, f.stats.Oldest = uint64(len(w.since)), 0
		for id := range w.since {
			if f.stats.Oldest == 0 || id < f.stats.Oldest {
				f.stats.Oldest = id
			}
		}
	})
}

// check compares what is shown with for how long the oldest task has waited: never more, and less by one look and a share at most.
func (w *waiting) check(t *testing.T, m *monitor.Monitor, look, share float64) {
	t.Helper()
	p := stats(t, m)
	if len(w.since) == 0 {
		assert.Nil(t, p.OldestSeconds)
		return
	}
	require.NotNil(t, p.OldestSeconds)
	oldest := w.f.stats.Oldest
	age := time.Since(w.since[oldest]).Seconds()
	assert.Equal(t, oldest.String(), p.Oldest)
	assert.LessOrEqual(t, *p.OldestSeconds, age+1e-9)
	assert.GreaterOrEqual(t, *p.OldestSeconds, age-look-share*age)
}

func newWaiting(t *testing.T) (*waiting, *monitor.Monitor) {
	m, w := newMonitor(t, nil), &waiting{&fake{}, make(map[store.ID]time.Time)}
	m.Add("p", w.f)
	return w, m
}

func TestAgeOfWaiting(t *testing.T) {
	t.Run("in order", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w, m := newWaiting(t)
			w.check(t, m, 1, 0)
			next := store.ID(1)
			for i := range 600 { // first more come than go, then fewer
				w.submit(3)
				for range 1 + i/150 {
					if len(w.since) > 0 {
						w.start(next)
						next++
					}
				}
				time.Sleep(time.Second)
				w.check(t, m, 1, 0)
			}
		})
	})
	t.Run("for hours", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w, m := newWaiting(t)
			for range 1000 { // more than there are marks
				w.submit(1)
				time.Sleep(10 * time.Second)
				w.check(t, m, 10, 0)
			}
			for next := range store.ID(1000) {
				w.start(next + 1)
				time.Sleep(10 * time.Second)
				w.check(t, m, 10, 0.12)
			}
		})
	})
	t.Run("others overtake", func(t *testing.T) { // those of other keys
		synctest.Test(t, func(t *testing.T) {
			w, m := newWaiting(t)
			w.submit(2)
			for id := store.ID(3); id < 300; id++ {
				w.submit(1)
				w.check(t, m, 1, 0)
				w.start(id)
				w.check(t, m, 1, 0)
				time.Sleep(time.Second)
			}
			w.start(1)
			w.check(t, m, 1, 0)
			time.Sleep(time.Second)
			w.check(t, m, 1, 0)
		})
	})
	t.Run("not known by the source", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			m, f := newMonitor(t, nil), &fake{}
			m.Add("p", f)
			f.stats.Submitted, f.stats.Queued = 5, 9 // which no pool says
			get(m, "/stats")
			time.Sleep(time.Minute)
			p := stats(t, m)
			assert.InDelta(t, 60, *p.OldestSeconds, 1e-9)
			assert.Empty(t, p.Oldest)
		})
	})
}

// A task that waits to be run again counts from when it was last seen to run.
func TestAgeOfRetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, m := newWaiting(t)
		w.submit(1)
		for range 60 {
			w.check(t, m, 1, 0)
			time.Sleep(time.Second)
		}
		w.f.set(func(f *fake) { f.stats.Queued, f.stats.Oldest, f.stats.Running = 0, 0, 1 })
		assert.Nil(t, func() *float64 { time.Sleep(time.Second); return stats(t, m).OldestSeconds }())
		w.f.set(func(f *fake) { f.stats.Queued, f.stats.Oldest, f.stats.Running = 1, 1, 0 })
		time.Sleep(time.Second)
		assert.InDelta(t, 0, *stats(t, m).OldestSeconds, 1e-9)
	})
}

// A look takes its time: what a source says may be of its end, and ages are not more for that.
func TestAgesOfASlowSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, f := newMonitor(t, nil), &fake{}
		f.before = func() { time.Sleep(3 * time.Second) }
		f.running, f.stats.Submitted, f.stats.Queued, f.stats.Oldest = []store.ID{1}, 2, 1, 2
		m.Add("p", f)
		get(m, "/stats") // tasks 1 and 2 came at its end
		time.Sleep(10 * time.Second)
		p := stats(t, m)
		assert.InDelta(t, 10, *p.LongestRunningSeconds, 1e-9)
		assert.InDelta(t, 10, *p.OldestSeconds, 1e-9)
	})
}

func TestRates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, f := newMonitor(t, nil), &fake{}
		m.Add("p", f)
		p := stats(t, m)
		assert.Nil(t, p.PerSecond, "one look is not enough")
		assert.Nil(t, p.DrainSeconds)
		step := func(succeeded, failed uint64) {
			time.Sleep(time.Second)
			f.set(func(f *fake) {
				f.stats.Succeeded += succeeded
				f.stats.Failed += failed
				f.stats.NotRun += 100 // which is no work that was done
				f.stats.Queued = 500
			})
			p = stats(t, m)
		}
		step(10, 0)
		assert.InDelta(t, 10, *p.PerSecond, 1e-9)
		for range 20 {
			step(30, 20)
		}
		assert.InDelta(t, 50, *p.PerSecond, 1e-9)
		assert.InDelta(t, 20, *p.FailuresPerSecond, 1e-9)
		assert.InDelta(t, 10, *p.DrainSeconds, 1e-9)
		for range 20 {
			step(0, 0)
		}
		assert.InDelta(t, 0, *p.PerSecond, 1e-9)
		assert.Nil(t, p.DrainSeconds, "never at this pace")
		f.set(func(f *fake) { f.stats.Succeeded = 0 })
		step(0, 0)
		assert.InDelta(t, 0, *p.PerSecond, 1e-9, "counters that go back")
	})
}

func TestOnStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		told := make(chan string, 10)
		m := newMonitor(t, &monitor.Options{Stuck: 30 * time.Second, OnStuck: func(pool string, id store.ID, atLeast time.Duration) {
			told <- fmt.Sprint(pool, " ", id, " ", atLeast)
		}})
		f := &fake{running: []store.ID{1}}
		remove := m.Add("p", f)
		time.Sleep(10*time.Second + 1)
		f.set(func(f *fake) { f.running = []store.ID{1, 2} })
		time.Sleep(19 * time.Second)
		synctest.Wait()
		assert.Empty(t, told)
		time.Sleep(time.Second)
		synctest.Wait()
		require.Len(t, told, 1)
		assert.Equal(t, "p 1 30s", <-told)
		time.Sleep(time.Hour)
		synctest.Wait()
		require.Len(t, told, 1, "each once")
		assert.Equal(t, "p 2 30s", <-told)

		looked := f.looked()
		remove()
		remove()
		time.Sleep(time.Hour)
		synctest.Wait()
		assert.Equal(t, looked, f.looked(), "there is nothing to look at")
	})
}

func TestOnStuckDefaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for stuck, want := range map[time.Duration]time.Duration{0: time.Minute, -1: 0, 1: time.Second} {
			var first time.Duration
			m := newMonitor(t, &monitor.Options{Stuck: stuck, OnStuck: func(_ string, _ store.ID, atLeast time.Duration) { first = atLeast }})
			f := &fake{running: []store.ID{1}}
			m.Add("p", f)
			time.Sleep(time.Hour)
			synctest.Wait()
			assert.Equal(t, want, first, stuck)
			if stuck < 0 {
				assert.Zero(t, f.looked(), "nobody looks")
			}
		}
	})
}

// A panic, a Goexit and a call of the Monitor in OnStuck end nothing; it may take its time, and only the page waits.
func TestOnStuckMisbehaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		var m *monitor.Monitor
		var remove func()
		ready := make(chan struct{}) // remove is there
		var calls atomic.Int32
		m = newMonitor(t, &monitor.Options{Stuck: 1, OnStuck: func(_ string, id store.ID, _ time.Duration) {
			calls.Add(1)
			switch id {
			case 1:
				panic(errors.New("on purpose"))
			case 2:
				runtime.Goexit()
			case 3:
				<-ready
				remove()
				get(m, "/stats")
				m.Add("q", &fake{running: []store.ID{4}})
			case 4:
				<-gate
			}
		}})
		remove = m.Add("p", &fake{running: []store.ID{1, 2, 3}})
		close(ready)
		time.Sleep(10 * time.Second)
		synctest.Wait()
		assert.EqualValues(t, 4, calls.Load())
		a := decode(t, get(m, "/stats").Body.String())
		assert.Equal(t, 1, a.OnStuckPanics)
		require.Len(t, a.Pools, 1)
		assert.InDelta(t, 10, *a.Pools[0].LongestRunningSeconds, 3, "requests look while OnStuck blocks")
		close(gate)
	})
}

// A Source that panics, ends its goroutine or is nil is shown as such, and the others as ever.
func TestSourceMisbehaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMonitor(t, nil)
		m.Add("bad", &fake{before: func() { panic("what it said") }})
		m.Add("none", nil)
		good := &fake{}
		m.Add("good", good)
		v := view(m, "/events", true)
		time.Sleep(3500 * time.Millisecond)
		assert.Equal(t, 4, good.looked())
		v.leave()
		a := decode(t, v.got(t)[0])
		assert.Contains(t, a.Pools[0].Trouble, "what it said")
		assert.NotEmpty(t, a.Pools[1].Trouble)
		assert.Empty(t, a.Pools[2].Trouble)
		text := get(m, "/metrics").Body.String()
		assert.NotContains(t, text, `pool="bad"`)
		assert.Contains(t, text, `resultpool_workers{pool="good"} 0`)
	})
}

func TestSourceEndsItsGoroutine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMonitor(t, &monitor.Options{OnStuck: func(string, store.ID, time.Duration) {}})
		f := &fake{before: runtime.Goexit}
		m.Add("p", f)
		time.Sleep(10500 * time.Millisecond)
		assert.Equal(t, 11, f.looked(), "once a second, and not in a loop")
		f.set(func(f *fake) { f.before = nil })
		assert.Equal(t, 200, get(m, "/stats").Code)
	})
}

// A Source that blocks holds up those who look, each no longer than its request lasts, and Add and remove not at all.
func TestSourceBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		m, f := newMonitor(t, nil), &fake{before: func() { <-gate }}
		m.Add("p", f)
		first := view(m, "/events", true)
		synctest.Wait()
		second := view(m, "/events", true)
		synctest.Wait()
		m.Add("q", &fake{})()
		second.leave()
		close(gate)
		first.leave()
	})
}
