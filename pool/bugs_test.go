package pool_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
	"github.com/resultpool/resultpool/store/dense"
)

// Bugs that other pools had, where no other test has to do with them.
// docs/bugs-of-others.md lists them all, each with its tests.

// pond composite.go, conc #156, #106: an error or a panic loses no result, wherever in
// a batch it is, the last place included.
func TestFailuresAtEveryPosition(t *testing.T) {
	for n := 1; n <= 4; n++ {
		combinations := 1
		for range n {
			combinations *= 3
		}
		for c := range combinations {
			synctest.Test(t, func(t *testing.T) {
				p := newPool(t, &pool.Options{Workers: 1 + c%2})
				in, kinds := make([]task, n), make([]int, n)
				for i, rest := 0, c; i < n; i, rest = i+1, rest/3 {
					kinds[i] = rest % 3
					in[i] = func(context.Context) (int, error) {
						switch kinds[i] {
						case 1:
							return i, errTask
						case 2:
							panic(i)
						}
						return i, nil
					}
				}
				ids, err := p.SubmitAll(t.Context(), in)
				require.NoError(t, err)
				require.NoError(t, p.Stop(t.Context()))
				require.Equal(t, n, holds(t, p))
				for i, id := range ids {
					res := held(t, p, id)
					switch kinds[i] {
					case 0:
						assert.Equal(t, store.Result[int]{ID: id, Value: i}, res)
					case 1:
						assert.Equal(t, store.Result[int]{ID: id, Value: i, Err: errTask}, res)
					case 2:
						var panicked *pool.PanicError
						require.ErrorAs(t, res.Err, &panicked)
						assert.Equal(t, i, panicked.Value)
						assert.Contains(t, string(panicked.Stack), "TestFailuresAtEveryPosition")
					}
				}
			})
		}
	}
}

// ants #330, #356, conc #78: a pool that has ended stays ended, and another one on the
// same store is none the worse.
func TestStoppedPoolStaysStopped(t *testing.T) {
	for _, cancelled := range []bool{false, true} {
		t.Run(fmt.Sprintf("cancelled=%t", cancelled), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				st := dense.New[int]()
				p := newPool(t, nil, st)
				submit(t, p, value(1))
				synctest.Wait()
				if cancelled {
					p.cancel(errCause)
				}
				verdict := p.Stop(t.Context())
				for i := range 100 {
					_, err := p.Submit(t.Context(), value(1))
					assert.ErrorIs(t, err, pool.ErrClosed)
					_, err = p.TrySubmit(value(1))
					assert.ErrorIs(t, err, pool.ErrClosed)
					assert.ErrorIs(t, p.Resize(i), pool.ErrClosed)
					assert.NoError(t, p.Wait(t.Context()))
					assert.Equal(t, verdict, p.Stop(t.Context()))
					assert.True(t, isClosed(p.Done()))
					time.Sleep(time.Hour)
				}
				assert.Zero(t, countGoroutines())
				assert.Equal(t, 1, holds(t, p))
				second := newPool(t, nil, st)
				submit(t, second, value(2))
				require.NoError(t, second.Stop(t.Context()))
				assert.Equal(t, 2, holds(t, p))
			})
		})
	}
}

// ants #212, milvus #41893: a program that imports the packages, and makes no pool, has
// no goroutine of theirs.
func TestImportStartsNothing(t *testing.T) {
	const env = "RESULTPOOL_CHECK_IMPORT"
	if os.Getenv(env) != "" {
		buf := make([]byte, 1<<20)
		for g := range strings.SplitSeq(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
			_, by, _ := strings.Cut(g, "created by github.com/resultpool/resultpool/")
			if by != "" && !strings.HasPrefix(by, "pool_test.") {
				t.Errorf("a goroutine before there is a pool:\n%s", g)
			}
		}
		return
	}
	exe, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(exe, "-test.run=^TestImportStartsNothing$", "-test.timeout=1m")
	cmd.Env = append(os.Environ(), env+"=1")
	out, err := cmd.CombinedOutput()
	assert.NoError(t, err, "%s", out)
}

// pond under synctest: a pool of one bubble leaves nothing that a pool of the next, or
// of one at the same time, could trip over.
func TestManyBubbles(t *testing.T) {
	bubble := func(t *testing.T) {
		for name, newStore := range stores {
			synctest.Test(t, func(t *testing.T) { // one after the other
				st := &hookStore{ResultStore: newStore()}
				var down atomic.Bool
				st.put = func(ctx context.Context, res store.Result[int]) error {
					if down.Load() {
						return errDown
					}
					return st.ResultStore.Put(ctx, res)
				}
				// Not newPool, which looks for goroutines of all pools: the bubble does.
				ctx, cancel := context.WithCancelCause(context.Background())
				made, err := pool.New(ctx, pool.Call[int], st, &pool.Options{Workers: 3, Queue: 2})
				require.NoError(t, err)
				p := taskPool{Pool: made, st: st, cancel: cancel}
				begun := time.Now()
				slow := func(ctx context.Context) (int, error) { time.Sleep(time.Hour); return 1, ctx.Err() }
				ids, err := p.SubmitAll(t.Context(), slices.Repeat([]task{slow}, 9))
				assert.NoError(t, err, name)
				down.Store(true) // timers of the saver
				time.AfterFunc(5*time.Hour, func() { down.Store(false) })
				for _, id := range ids {
					v, err := p.Get(t.Context(), id)
					assert.NoError(t, err)
					assert.Equal(t, 1, v)
				}
				assert.GreaterOrEqual(t, time.Since(begun), 5*time.Hour)
				assert.Less(t, time.Since(begun), 9*time.Hour)
				submit(t, p, slow)
				p.cancel(errCause)
				assert.ErrorIs(t, p.Stop(t.Context()), errCause)
				_, err = pool.Map(t.Context(), []int{1, 2, 3}, func(context.Context, int) (int, error) {
					time.Sleep(time.Minute)
					return 0, nil
				}, &pool.Options{Workers: 3})
				assert.NoError(t, err)
			})
		}
	}
	for i := range 4 {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			bubble(t)
			bubble(t)
		})
	}
}

// asynq #55, river #1258: a process is killed between the end of a task and its Put. No
// store of this module would keep the result, but over one that keeps what it has
// reserved no ID is given out again, so the tasks that were lost can be told from others.
func TestIDsAfterKill(t *testing.T) {
	const env = "RESULTPOOL_CHECK_KILL"
	reserving := func(file string) *reservingStore {
		st := newReservingStore(1)
		st.reserve = func(_ context.Context, n uint64) (first store.ID, err error) {
			last := uint64(0)
			if text, err := os.ReadFile(file); err == nil {
				if last, err = strconv.ParseUint(string(text), 10, 64); err != nil {
					return 0, err
				}
			}
			return store.ID(last + 1), os.WriteFile(file, fmt.Append(nil, last+n), 0o600)
		}
		return st
	}
	if file := os.Getenv(env); file != "" {
		st := reserving(file)
		st.put = func(context.Context, []store.ID, func(context.Context) error) error {
			self, err := os.FindProcess(os.Getpid())
			if err == nil {
				err = self.Kill()
			}
			if err == nil {
				select {} // it takes a moment
			}
			return err
		}
		p := newPool(t, &pool.Options{Workers: 1}, st)
		gate := make(chan struct{})
		fmt.Println("accepted:", submit(t, p, gated(gate, 1)))
		close(gate)
		_ = p.Wait(t.Context())
		return
	}

	exe, err := os.Executable()
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "reserved")
	last := store.ID(0)
	for range 3 {
		cmd := exec.Command(exe, "-test.run=^TestIDsAfterKill$", "-test.timeout=1m")
		cmd.Env = append(os.Environ(), env+"="+file)
		out, err := cmd.CombinedOutput()
		var exit *exec.ExitError
		require.ErrorAs(t, err, &exit, "%s", out)
		require.NotContains(t, string(out), "FAIL")
		var id store.ID
		_, err = fmt.Sscanf(string(out), "accepted: %d\n", &id)
		require.NoError(t, err, "%s", out)
		assert.Greater(t, id, last, "given out again after a kill")
		last = id
	}
	st := reserving(file)
	p := newPool(t, nil, st)
	assert.Greater(t, submit(t, p, value(2)), last)
	require.NoError(t, p.Stop(t.Context()))
	assert.Equal(t, 1, holds(t, p))
}
