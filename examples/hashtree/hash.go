package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
)

// A sum is the result of one task.
type sum [sha256.Size]byte

// An outcome is what became of the files. Each is in one of done, failed and
// notRun.
type outcome struct {
	done   []hashed
	failed []failure
	notRun int
	bytes  int64 // read, also of files that failed
}

type hashed struct {
	path string
	sum  sum
}

// hashAll hashes the files of t on a pool. When stopping is done, it begins no
// more files; when cancelled is done, it ends those that are being read.
func (h *hashtree) hashAll(stopping, cancelled context.Context, t tree, opts options) (outcome, error) {
	paths := make([]string, len(t.files))
	var total int64
	for i, f := range t.files {
		paths[i] = f.path
		total += f.size
	}

	r := reader{open: h.open}
	p, err := pool.New(cancelled, r.sum, opts.newStore(), &pool.Options{Workers: opts.workers})
	if err != nil {
		return outcome{}, err
	}
	hide := h.console.show(newBar(h.console.w, total), func(b bar) {
		st := p.Stats()
		b.Describe(fmt.Sprintf("%d/%d files", st.Succeeded+st.Failed+st.Panicked, len(paths)))
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

	// Neither error matters here: what it would say of all files, Get says of
	// each of them, and those that were not submitted are not run.
	ids, _ := p.SubmitAll(stopping, paths)
	_ = p.Stop(context.Background())
	watch.Wait()

	out := collect(p, paths, ids)
	out.bytes = r.bytes.Load()
	return out, nil
}

// collect asks a pool that has ended for the results of paths. ids[i] is that of
// paths[i]; those that were not submitted have none.
func collect(p *pool.Pool[string, sum], paths []string, ids []store.ID) outcome {
	out := outcome{notRun: len(paths) - len(ids)}
	for i, id := range ids {
		digest, err := p.Get(context.Background(), id)
		switch {
		case errors.Is(err, pool.ErrNotRun):
			out.notRun++
		case err != nil:
			out.failed = append(out.failed, failure{paths[i], err})
		default:
			out.done = append(out.done, hashed{paths[i], digest})
		}
	}
	return out
}

// A reader hashes files. Its sum is the function of the pool's tasks.
type reader struct {
	open  func(path string) (io.ReadCloser, error)
	bytes atomic.Int64 // read so far, in all files
}

// sum hashes one file. It looks at ctx between reads, so that no file is too
// large to be interrupted.
func (r *reader) sum(ctx context.Context, path string) (sum, error) {
	f, err := r.open(path)
	if err != nil {
		return sum{}, err
	}
	defer f.Close()
	buf := buffers.Get().(*buffer)
	defer buffers.Put(buf)

	digest := sha256.New()
	for ctx.Err() == nil {
		n, err := f.Read(buf[:])
		digest.Write(buf[:n])
		r.bytes.Add(int64(n))
		switch {
		case err == io.EOF:
			return sum(digest.Sum(nil)), nil
		case err != nil:
			return sum{}, err
		}
	}
	return sum{}, context.Cause(ctx)
}

// A buffer is large enough that the system calls do not count.
type buffer [128 << 10]byte

var buffers = sync.Pool{New: func() any { return new(buffer) }}
