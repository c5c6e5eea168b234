package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
)

// An outcome is what became of the files. Each is in one of kept, done, failed and
// notRun.
type outcome struct {
	kept, done []hashed // from earlier runs and from this one
	failed     []failure
	notRun     int
	bytes      int64 // read, also of files that failed
	err        error // why files were not even begun, or sums not saved

	remembers bool // with -store bolt:FILE
}

type hashed struct {
	path string
	sum  sum
}

// sums returns all that are known, sorted by path.
func (o outcome) sums() []hashed {
	return sortedByPath(slices.Concat(o.kept, o.done), func(s hashed) string { return s.path })
}

// hashAll hashes files on a pool, which puts the sums into st. When stopping is done,
// it begins no more files; when cancelled is done, it ends those that are being read.
func (h *hashtree) hashAll(stopping, cancelled context.Context, files []file, st store.ResultStore[record], workers int) outcome {
	if len(files) == 0 {
		return outcome{}
	}
	var total int64
	for _, f := range files {
		total += f.version.Size
	}

	r := reader{open: h.open}
	// The queue is short since a file that waits in it when Ctrl-C comes has a result
	// too, which says that it was not read, and which a FILE keeps until the next run.
	p, err := pool.New(cancelled, r.sum, st, &pool.Options{Workers: workers, Queue: 64})
	if err != nil {
		return outcome{notRun: len(files), err: err}
	}
	hide := h.console.show(newBar(h.console.w, total), func(b bar) {
		st := p.Stats()
		b.Describe(fmt.Sprintf("%d/%d files", st.Succeeded+st.Failed+st.Panicked, len(files)))
		_ = b.Set64(r.bytes.Load()) // an error says that files have grown
	})
	defer hide()

	var watch sync.WaitGroup
	watch.Go(func() {
		select {
		case <-stopping.Done():
			_ = p.Resize(0) // an error says that the pool has ended
			if n := p.Stats().Running; n > 0 {
				h.console.say("interrupted: finishing %s; press Ctrl-C again to give up", count(n, "file"))
			}
		case <-p.Done():
		}
	})

	ids, refused := p.SubmitAll(stopping, files)
	stopped := p.Stop(context.Background())
	watch.Wait()

	out := collect(p, files, ids, stopped)
	out.bytes = r.bytes.Load()
	if stopping.Err() == nil { // else it only says that files were not submitted
		out.err = errors.Join(out.err, refused)
	}
	return out
}

// collect asks a pool that has ended for the results of files. ids[i] is that of
// files[i]; those that were not submitted have none. stopped is what Stop returned: of
// what it says, only the results that the store did not take are not to be had from
// Get.
func collect(p *pool.Pool[file, record], files []file, ids []store.ID, stopped error) outcome {
	out := outcome{notRun: len(files) - len(ids)}
	unsaved := make(map[store.ID]store.Result[record])
	var lost *pool.UnsavedError[record]
	if errors.As(stopped, &lost) {
		sums := uint64(0)
		for _, res := range lost.Results {
			unsaved[res.ID] = res
			if res.Err == nil {
				sums++
			}
		}
		out.err = fmt.Errorf("not saved for the next run: %s: %w", count(sums, "sum"), lost.Err)
	}
	for i, id := range ids {
		res, ok := unsaved[id]
		if !ok {
			res.Value, res.Err = p.Get(context.Background(), id)
		}
		f := files[i]
		switch {
		case errors.Is(res.Err, pool.ErrNotRun):
			out.notRun++
		case res.Err != nil:
			out.failed = append(out.failed, failure{f.path, f.real, res.Err})
		default:
			out.done = append(out.done, hashed{f.path, res.Value.Sum})
		}
	}
	return out
}

// A reader hashes files. Its sum is the function of the pool's tasks.
type reader struct {
	open  func(path string) (io.ReadCloser, error)
	bytes atomic.Int64 // read so far, in all files
}

// sum hashes one file. The record that comes with an error has its real path.
func (r *reader) sum(ctx context.Context, f file) (record, error) {
	rec := record{File: quoted(f.real)}
	in, err := r.open(f.path)
	if err != nil {
		return rec, err
	}
	defer in.Close()
	asked, ok := in.(fs.File)
	if f.real == "" || !ok { // nothing is remembered, or it cannot be asked
		rec.Sum, _, err = r.read(ctx, in)
		return rec, err
	}

	settled := false
	if rec.Version, settled, err = settle(ctx, asked); err != nil {
		return rec, err
	}
	digest, size, err := r.read(ctx, in)
	if err != nil {
		return rec, err
	}
	rec.Sum = digest
	after, err := asked.Stat()
	rec.Sure = settled && err == nil && size == rec.Version.Size && versionOf(after) == rec.Version
	return rec, nil
}

// settle returns the version of a file that is open. It waits until a write would be
// seen in it: a file that was written to a moment ago may be so again and keep its
// mtime. If that does not come, since others keep writing or the mtime lies in the
// future, settled is false.
func settle(ctx context.Context, in fs.File) (v version, settled bool, err error) {
	info, err := in.Stat()
	if err != nil {
		return version{}, false, err
	}
	if wait := unsettled(info.ModTime()); wait > 0 && wait <= tick(info.ModTime()) {
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return version{}, false, context.Cause(ctx)
		}
		if info, err = in.Stat(); err != nil {
			return version{}, false, err
		}
	}
	return versionOf(info), unsettled(info.ModTime()) <= 0, nil
}

// read returns the sum and the number of all bytes of a file. It looks at ctx between
// reads, so that no file is too large to be interrupted.
func (r *reader) read(ctx context.Context, in io.Reader) (digest sum, size int64, err error) {
	buf := buffers.Get().(*buffer)
	defer buffers.Put(buf)

	hash := sha256.New()
	for ctx.Err() == nil {
		n, err := in.Read(buf[:])
		hash.Write(buf[:n])
		size += int64(n)
		r.bytes.Add(int64(n))
		switch {
		case err == io.EOF:
			return sum(hash.Sum(nil)), size, nil
		case err != nil:
			return sum{}, size, err
		}
	}
	return sum{}, size, context.Cause(ctx)
}

// A buffer is large enough that the system calls do not count.
type buffer [128 << 10]byte

var buffers = sync.Pool{New: func() any { return new(buffer) }}
