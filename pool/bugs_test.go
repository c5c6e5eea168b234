package pool_test

import (
	"context"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"iter"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
	"github.com/resultpool/resultpool/store/dense"
	"github.com/resultpool/resultpool/store/rwmutex"
)

// Bugs that other pools had, where no other test has to do with them.
// docs/bugs-of-others.md lists them all, each with its tests.

// callingStore calls back before each of its methods.
type callingStore struct {
	st   *rwmutex.Store[int]
	call func(method string)
}

func (s *callingStore) Put(ctx context.Context, res store.Result[int]) error {
	s.call("Put")
	if res.Value == 1 {
		return errDown // for ever
	}
	return s.st.Put(ctx, res)
}

func (s *callingStore) PutBatch(ctx context.Context, res []store.Result[int]) error {
	s.call("PutBatch")
	if slices.ContainsFunc(res, func(r store.Result[int]) bool { return r.Value == 1 }) {
		return errDown
	}
	for i := range res {
		if err := s.st.Put(ctx, res[i]); err != nil {
			return err
		}
	}
	return nil
}

func (s *callingStore) Get(ctx context.Context, id store.ID) (store.Result[int], error) {
	s.call("Get")
	return s.st.Get(ctx, id)
}

func (s *callingStore) Delete(ctx context.Context, id store.ID) error {
	s.call("Delete")
	return s.st.Delete(ctx, id)
}

func (s *callingStore) All(ctx context.Context) iter.Seq2[store.Result[int], error] {
	s.call("All")
	return s.st.All(ctx)
}

func (s *callingStore) ReserveIDs(ctx context.Context, n uint64) (store.ID, error) {
	s.call("ReserveIDs")
	return s.st.ReserveIDs(ctx, n)
}

// ants #6: no method of the store is called with the pool's lock held. Each of them
// uses the pool here, which would wait for the lock for ever.
func TestNoLockIsHeldInStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p taskPool
		var mu sync.Mutex
		called := make(map[string]bool)
		st := &callingStore{st: rwmutex.New[int](), call: func(method string) {
			if p.Pool == nil {
				return // in New
			}
			mu.Lock()
			called[method] = true
			mu.Unlock()
			checkStats(t, p.Stats())
			_ = p.Resize(2)
			_, _ = p.TrySubmit(nil)
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			_ = p.Wait(ctx) // takes the lock, and waits without it
		}}
		p = newPool(t, &pool.Options{Workers: 2, Queue: 100}, st)
		gate := make(chan struct{})
		good, bad := submit(t, p, gated(gate, 2)), submit(t, p, gated(gate, 1))
		in := slices.Repeat([]task{value(3)}, 1<<16)
		go func() { _, _ = p.SubmitAll(context.Background(), in) }() // needs more IDs
		synctest.Wait()
		close(gate)
		v, err := p.Get(t.Context(), good)
		assert.NoError(t, err)
		assert.Equal(t, 2, v)
		_, err = p.Results(t.Context())
		assert.NoError(t, err)
		p.cancel(errCause)
		err = p.Stop(t.Context())
		var unsaved *pool.UnsavedError[int]
		require.ErrorAs(t, err, &unsaved)
		assert.Equal(t, bad, unsaved.Results[0].ID)
		for _, method := range []string{"Put", "PutBatch", "Get", "All", "ReserveIDs"} {
			assert.True(t, called[method], method)
		}
	})
}

// pond's Go ignored the context, one path of several: no task starts after the cancel,
// however it came in, and none comes in.
func TestNoTaskStartsAfterCancel(t *testing.T) {
	ways := map[string]func(p taskPool, in task) error{
		"Submit":    func(p taskPool, in task) error { _, err := p.Submit(context.Background(), in); return err },
		"TrySubmit": func(p taskPool, in task) error { _, err := p.TrySubmit(in); return err },
		"SubmitAll": func(p taskPool, in task) error {
			_, err := p.SubmitAll(context.Background(), slices.Repeat([]task{in}, 3))
			return err
		},
	}
	for name, submitting := range ways {
		for _, workers := range []int{1, 3} {
			t.Run(fmt.Sprintf("%s,workers=%d", name, workers), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					p := newPool(t, &pool.Options{Workers: workers, Queue: 4})
					gate := make(chan struct{})
					for range workers {
						submit(t, p, gated(gate, 1))
					}
					synctest.Wait()
					var started atomic.Int64
					start := func(context.Context) (int, error) { started.Add(1); return 0, nil }
					for range 3 { // in the queue, or waiting for room
						call(func() error { return submitting(p, start) })
					}
					synctest.Wait()
					assert.Positive(t, p.Stats().Queued)
					p.cancel(errCause)
					for range 100 { // no worker has seen the cancel yet, perhaps
						assert.ErrorIs(t, submitting(p, start), pool.ErrClosed)
					}
					close(gate)
					<-p.Done()
					assert.Zero(t, started.Load(), "tasks started after the cancel")
					assert.EqualValues(t, p.Stats().Submitted, holds(t, p))
				})
			})
		}
	}
}

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

// conc #107: submitting while others wait is no misuse, and Wait closes nothing.
func TestSubmitRacesWait(t *testing.T) {
	checkGoroutines(t)
	p := newPool(t, &pool.Options{Workers: 2, Queue: 4})
	const submitters, each = 3, 2000
	var done atomic.Bool
	var waiters, wg sync.WaitGroup
	for range 2 {
		waiters.Go(func() {
			for !done.Load() {
				assert.NoError(t, p.Wait(context.Background()))
			}
		})
	}
	for range submitters {
		wg.Go(func() {
			for range each {
				_, err := p.Submit(context.Background(), value(1))
				assert.NoError(t, err)
			}
		})
	}
	wg.Wait()
	assert.NoError(t, p.Wait(context.Background()))
	assert.Equal(t, submitters*each, holds(t, p), "results when Wait returned")
	done.Store(true)
	waiters.Wait()
	assert.NoError(t, p.Stop(context.Background()))
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

// pond's pool of the package, and cockroach #167120, timers in a sync.Pool: what a
// package keeps in variables belongs to the first synctest bubble that uses it, and to
// everybody at once. Ours keep errors there, which never change, and nothing else.
func TestNoPackageState(t *testing.T) {
	vars := 0
	for _, dir := range []string{".", "../internal/queue", "../store", "../store/codec", "../store/dense", "../store/rwmutex", "../store/syncmap", "../store/xsync"} {
		files, err := filepath.Glob(filepath.Join(dir, "*.go"))
		require.NoError(t, err)
		require.NotEmpty(t, files, dir)
		for _, name := range files {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
			require.NoError(t, err)
			for _, decl := range file.Decls {
				if f, ok := decl.(*ast.FuncDecl); ok && f.Recv == nil {
					assert.NotEqual(t, "init", f.Name.Name, "%s has an init function", name)
				}
				gen, ok := decl.(*ast.GenDecl)
				if !ok || gen.Tok != token.VAR {
					continue
				}
				for _, spec := range gen.Specs {
					v := spec.(*ast.ValueSpec)
					for i, ident := range v.Names {
						vars++
						made := ""
						if i < len(v.Values) {
							made = types.ExprString(v.Values[i])
						}
						assert.Regexp(t, `^(errors\.New|fmt\.Errorf)\(|^store\.Err[A-Za-z]+$`, made,
							"%s: variable %s of the package is no error", name, ident.Name)
					}
				}
			}
		}
	}
	assert.Greater(t, vars, 10, "variables found")
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
				p := taskPool{made, st, cancel}
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
