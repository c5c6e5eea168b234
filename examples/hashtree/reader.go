package main

import (
	"context"
	"crypto/sha256"
	"io"
	"io/fs"
	"sync"
	"sync/atomic"
	"time"
)

// A reader hashes files. Its sum is the function of the pool's tasks.
type reader struct {
	open  func(path string) (io.ReadCloser, error)
	bytes atomic.Int64 // read so far, in all files

	// With -engine:
	files   atomic.Int64 // hashed so far
	reading atomic.Int64 // being read now
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
