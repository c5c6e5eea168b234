//go:build linux

package bolt

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/internal/disktest"
	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
)

// A smallDisk is a file system that is full, but for the room that a test wants.
type smallDisk struct {
	t   *testing.T
	dir string
}

// onSmallDisks runs a test on a tmpfs, and on an ext4 on a loop device if it is root.
// Without root, the first of them runs in a user namespace.
func onSmallDisks(t *testing.T, test func(*testing.T, *smallDisk)) {
	t.Helper()
	if !*diskFull {
		t.Skip("without -disk.full")
	}
	t.Run("fs=tmpfs", func(t *testing.T) {
		if os.Geteuid() != 0 {
			inUserNamespace(t)
			return
		}
		disktest.NeedMount(t, "disk")
		dir, _ := disktest.Mount(t, "-t", "tmpfs", "-o", "size=8m", "tmpfs")
		test(t, &smallDisk{t, dir})
	})
	t.Run("fs=ext4", func(t *testing.T) {
		if os.Getenv(userNamespace) != "" {
			t.Skip("only root can")
		}
		disktest.NeedLoop(t, "disk")
		image := filepath.Join(tempDir(t), "disk.img")
		disktest.Make(t, image, 16, "-m", "0")
		dir, _ := disktest.Mount(t, "-o", "loop,noatime", image)
		test(t, &smallDisk{t, dir})
	})
}

// userNamespace is set, in the environment, in a program that inUserNamespace has started.
const userNamespace = "RESULTPOOL_USERNS"

// inUserNamespace runs the test again where it is root, and can mount a tmpfs.
func inUserNamespace(t *testing.T) {
	t.Helper()
	top, _, _ := strings.Cut(t.Name(), "/")
	cmd := exec.Command(os.Args[0], "-test.v", "-disk.full", "-test.run=^"+top+"$/^fs=tmpfs$")
	cmd.Env = append(os.Environ(), userNamespace+"=1")
	disktest.RunUnshared(t, "disk", cmd)
}

func (d *smallDisk) path() string    { return filepath.Join(d.dir, "results.db") }
func (d *smallDisk) ballast() string { return filepath.Join(d.dir, "ballast") }

// leave fills the disk, but for so many bytes.
func (d *smallDisk) leave(free int64) {
	d.t.Helper()
	file, err := os.OpenFile(d.ballast(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	require.NoError(d.t, err)
	for size := 1 << 20; size >= 4096; size /= 2 {
		for err = nil; err == nil; _, err = file.Write(make([]byte, size)) {
		}
		require.ErrorIs(d.t, err, syscall.ENOSPC)
	}
	require.NoError(d.t, file.Sync())
	info, err := file.Stat()
	require.NoError(d.t, err)
	require.NoError(d.t, file.Truncate(max(0, info.Size()-free)))
	require.NoError(d.t, file.Sync())
	require.NoError(d.t, file.Close())
}

// giveBack makes room.
func (d *smallDisk) giveBack() {
	d.t.Helper()
	require.NoError(d.t, os.Remove(d.ballast()))
}

// fullValue is what task n returns: a kilobyte, so that the disk is full soon.
func fullValue(n int) string { return strings.Repeat(fmt.Sprintf("%016d", n), 64) }

// A fullDisk is a pool over a store whose disk is full.
type fullDisk struct {
	*smallDisk
	st       *Store[string]
	p        *pool.Pool[int, string]
	accepted map[store.ID]int                  // tasks by ID
	stored   map[store.ID]store.Result[string] // before there was room again
}

// fill submits tasks until the disk is full, and the pool with it. The pool has taken a
// bounded number of tasks then and takes no more, says so, and what was stored is there.
func fill(ctx context.Context, t *testing.T, d *smallDisk) *fullDisk {
	t.Helper()
	d.leave(1 << 20)
	st, err := Open[string](d.path(), nil)
	require.NoError(t, err)
	p, err := pool.New(ctx, func(_ context.Context, n int) (string, error) { return fullValue(n), nil },
		st, &pool.Options{Workers: 4, Queue: 64})
	require.NoError(t, err)
	f := &fullDisk{smallDisk: d, st: st, p: p, accepted: make(map[store.ID]int)}
	t.Cleanup(func() { assert.NoError(t, f.st.Close()) })

	// As long as the pool takes tasks, they are given to it. The disk is full when it
	// has taken none for a while, and says that results are not saved.
	for quiet := time.Now(); time.Since(quiet) < 3*time.Second; {
		submitting, cancel := context.WithTimeout(t.Context(), time.Second)
		id, err := p.Submit(submitting, len(f.accepted))
		cancel()
		if err != nil {
			require.ErrorIs(t, err, context.DeadlineExceeded, "Submit on a full disk")
			continue
		}
		f.accepted[id] = len(f.accepted)
		quiet = time.Now()
	}

	_, err = p.TrySubmit(-1)
	require.ErrorIs(t, err, pool.ErrQueueFull)
	stats := p.Stats()
	assert.NotZero(t, stats.Unsaved)
	assert.GreaterOrEqual(t, stats.Queued, uint64(64))
	assert.LessOrEqual(t, stats.Queued, uint64(64+4*32), "more than the queue and what the workers have claimed")
	assert.LessOrEqual(t, stats.Running, uint64(2*(1024+4)), "more than two batches, what is set aside and the workers' own")
	assert.EqualValues(t, len(f.accepted), stats.Submitted)

	f.stored, err = store.Snapshot(t.Context(), st)
	require.NoError(t, err)
	require.NotEmpty(t, f.stored)
	assert.EqualValues(t, len(f.stored), stats.Succeeded)
	short, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	for id, n := range f.accepted {
		if res, ok := f.stored[id]; ok {
			assert.Equal(t, fullValue(n), res.Value)
			v, err := p.Get(t.Context(), id)
			require.NoError(t, err)
			assert.Equal(t, fullValue(n), v)
			continue
		}
		_, err := p.Get(short, id)
		require.ErrorIs(t, err, context.DeadlineExceeded, "Get of a result that is not stored")
	}
	t.Logf("%d tasks accepted, %d results stored, %d of %d running unsaved", len(f.accepted), len(f.stored), stats.Unsaved, stats.Running)
	return f
}

// reopen closes the store, has bbolt check the file, and opens it as another process would.
func (f *fullDisk) reopen() {
	f.t.Helper()
	require.NoError(f.t, f.st.Close())
	require.Empty(f.t, checkPages(f.path()))
	var err error
	f.st, err = Open[string](f.path(), nil)
	require.NoError(f.t, err)
}

// checkAll: the result of each accepted task is stored.
func (f *fullDisk) checkAll() {
	f.t.Helper()
	all, err := store.Snapshot(f.t.Context(), f.st)
	require.NoError(f.t, err)
	assert.Len(f.t, all, len(f.accepted))
	for id, n := range f.accepted {
		if res := all[id]; !errors.Is(res.Err, pool.ErrNotRun) {
			assert.Equal(f.t, store.Result[string]{ID: id, Value: fullValue(n)}, res)
		}
	}
}

// TestFullDisk: while the disk is full, Submit waits, and what is stored can be read; when
// there is room again, the pool goes on by itself, and the result of each accepted task
// is stored.
func TestFullDisk(t *testing.T) {
	onSmallDisks(t, func(t *testing.T, d *smallDisk) {
		f := fill(t.Context(), t, d)
		d.giveBack()
		// A Submit that waits is woken.
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		id, err := f.p.Submit(ctx, len(f.accepted))
		require.NoError(t, err)
		f.accepted[id] = len(f.accepted)
		require.NoError(t, f.p.Stop(ctx))

		assert.Zero(t, f.p.Stats().Unsaved)
		assert.Zero(t, f.p.Stats().NotRun)
		f.reopen()
		f.checkAll()
	})
}

// TestFullDiskCancel: when the pool is cancelled while the disk is full, Stop hands back
// each result that is not stored, and no other. They can be stored when there is room
// again, also by another process.
func TestFullDiskCancel(t *testing.T) {
	onSmallDisks(t, func(t *testing.T, d *smallDisk) {
		ctx, cancel := context.WithCancelCause(t.Context())
		defer cancel(nil)
		f := fill(ctx, t, d)
		enough := errors.New("enough")
		cancel(enough)
		err := f.p.Stop(t.Context())
		var unsaved *pool.UnsavedError[string]
		require.ErrorAs(t, err, &unsaved)
		require.ErrorIs(t, err, syscall.ENOSPC)
		require.ErrorIs(t, err, enough)

		f.reopen()
		stored, err := store.Snapshot(t.Context(), f.st)
		require.NoError(t, err)
		for id, res := range f.stored {
			assert.Equal(t, res, stored[id])
		}
		assert.Len(t, f.accepted, len(stored)+len(unsaved.Results), "stored, and handed back")
		require.Error(t, f.st.PutBatch(t.Context(), unsaved.Results), "the disk is full")
		d.giveBack()
		require.NoError(t, f.st.PutBatch(t.Context(), unsaved.Results)) // and so none is stored already
		f.checkAll()
	})
}

// TestFullDiskAtOnce: a disk that is full when a file is made, or when IDs are reserved, is
// an error that says so; and where it failed, it succeeds when there is room again.
func TestFullDiskAtOnce(t *testing.T) {
	onSmallDisks(t, func(t *testing.T, d *smallDisk) {
		failed := make(map[string]int)
		for free := int64(0); failed[""] == 0; free += 4096 {
			require.Less(t, free, int64(1<<20))
			d.leave(free)
			what, err := d.firstSteps(1)
			failed[what]++
			if what != "" {
				require.ErrorIs(t, err, syscall.ENOSPC, "%s with %d bytes left", what, free)
			}
			d.giveBack()
			what, err = d.firstSteps(1000)
			require.NoError(t, err, "%s, with room", what)
			require.NoError(t, os.Remove(d.path()))
		}
		t.Logf("what failed, how often: %v", failed)
		assert.NotZero(t, failed["Open"])
	})
}

// firstSteps opens the store, reserves IDs, puts a result, and says what failed.
func (d *smallDisk) firstSteps(size int) (failed string, err error) {
	ctx := d.t.Context()
	st, err := Open[string](d.path(), nil)
	if err != nil {
		return "Open", err
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	id, err := st.ReserveIDs(ctx, 1)
	if err != nil {
		return "ReserveIDs", err
	}
	if err := st.Put(ctx, store.Result[string]{ID: id, Value: strings.Repeat("x", size)}); err != nil {
		return "Put", err
	}
	return "", nil
}

// TestFullDiskDelete: on a disk that is really full, a Delete or a ReserveIDs may fail, for a
// page is changed in a copy. It says so then and has changed nothing, and it succeeds when
// there is room.
func TestFullDiskDelete(t *testing.T) {
	onSmallDisks(t, func(t *testing.T, d *smallDisk) {
		ctx := t.Context()
		d.leave(1 << 20)
		st := openAt[string](t, d.path(), nil)
		var last store.ID
		var err error
		for err == nil {
			last++
			err = st.Put(ctx, store.Result[string]{ID: last, Value: fullValue(int(last))})
		}
		require.ErrorIs(t, err, syscall.ENOSPC)
		_, err = st.Get(ctx, last)
		require.ErrorIs(t, err, store.ErrNotFound)

		deleted, highest := 0, store.ID(0)
		for id := store.ID(1); id <= 20; id++ {
			if err := st.Delete(ctx, id); err == nil {
				deleted++
				_, err = st.Get(ctx, id)
				require.ErrorIs(t, err, store.ErrNotFound)
			} else {
				require.ErrorIs(t, err, syscall.ENOSPC)
				res, err := st.Get(ctx, id)
				require.NoError(t, err)
				require.Equal(t, fullValue(int(id)), res.Value)
			}
			if id, err := st.ReserveIDs(ctx, 1); err == nil {
				require.Greater(t, id, highest)
				highest = id
			} else {
				require.ErrorIs(t, err, syscall.ENOSPC)
			}
		}
		t.Logf("%d results; full, %d of 20 Deletes succeed", last-1, deleted)

		d.giveBack()
		for id := store.ID(1); id < last; id++ {
			require.NoError(t, st.Delete(ctx, id))
		}
		held, err := store.Snapshot(ctx, st)
		require.NoError(t, err)
		require.Empty(t, held)
	})
}
