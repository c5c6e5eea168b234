package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/term"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
)

// hashTree hashes the files below DIR whose sums are not in st, and prints all sums.
func (h *hashtree) hashTree(st store.ResultStore[sum], workers int) {
	began := time.Now()
	stopping, cancelled := interrupts()
	known, obsolete := h.known(stopping, st)
	files := h.walk(stopping)
	var todo []*file
	for _, f := range files {
		if res := known[h.real+f.rel]; f.version != "" && f.version == res.Value.Version {
			f.hash = res.Value.Hash
			delete(obsolete, res.ID)
		} else {
			todo = append(todo, f)
		}
	}

	// The queue is short: what waits in it at the first Ctrl-C gets a result, too.
	p, err := pool.New(cancelled, h.hash, st, &pool.Options{Workers: workers, Queue: 64})
	if err != nil {
		h.fail(err)
		return
	}
	var following sync.WaitGroup
	following.Go(func() { h.follow(stopping, p, len(todo)) })
	ids, refused := p.SubmitAll(stopping, todo)
	stopped := p.Stop(context.Background())
	following.Wait()

	var unsaved *pool.UnsavedError[sum]
	if stopping.Err() == nil || errors.As(stopped, &unsaved) {
		h.fail(cmp.Or(stopped, refused))
	}
	done, failed := 0, 0
	for i, id := range ids {
		s, err := p.Get(context.Background(), id)
		if errors.As(err, &unsaved) {
			err = unsaved.Results[0].Err
		}
		switch {
		case err == nil:
			todo[i].hash = s.Hash
			done++
		case !errors.Is(err, pool.ErrNotRun):
			h.fail(fmt.Errorf("%q: %w", h.dir+todo[i].rel, err))
			failed++
		}
	}
	if stopping.Err() == nil {
		signal.Reset(os.Interrupt, syscall.SIGTERM, syscall.SIGHUP) // one that comes while the sums are printed kills
	}
	h.print(files)
	if stopping.Err() != nil {
		h.status = 130
	} else if h.status == 0 { // else a file may have been overlooked
		for id := range obsolete {
			h.fail(st.Delete(context.Background(), id))
		}
	}
	log.Printf("%d files, %.1f MB in %.1fs: %d kept, %d done, %d failed, %d not run", len(files), float64(h.bytes.Load())/1e6,
		time.Since(began).Seconds(), len(files)-len(todo), done, failed, len(todo)-done-failed)
}

// known returns the sums in st, by path, and the results that only this run may still use.
func (h *hashtree) known(ctx context.Context, st store.ResultStore[sum]) (known map[string]store.Result[sum], obsolete map[store.ID]bool) {
	known, obsolete = make(map[string]store.Result[sum]), make(map[store.ID]bool)
	for res, err := range st.All(ctx) {
		path := string(res.Value.Path)
		if err != nil {
			log.Print(err) // the sum is made again
		} else if res.Err == nil && res.ID > known[path].ID {
			known[path] = res
		}
		if err != nil || res.Err != nil || strings.HasPrefix(path, h.real) {
			obsolete[res.ID] = true
		}
	}
	return known, obsolete
}

// follow says what happens, until p has ended.
func (h *hashtree) follow(stopping context.Context, p *pool.Pool[*file, sum], total int) {
	counts := term.IsTerminal(int(os.Stderr.Fd())) && os.Getenv("TERM") != "dumb"
	if counts {
		erase := fmt.Sprintf("\r%60s\r", "")
		defer log.SetPrefix(log.Prefix())
		log.SetPrefix(erase + log.Prefix())
		defer fmt.Fprint(os.Stderr, erase)
	}
	tick := time.Tick(100 * time.Millisecond)
	failing, interrupted := false, stopping.Done()
	for {
		select {
		case <-p.Done():
			return
		case <-interrupted:
			interrupted = nil
			_ = p.Resize(0) // begin no more; an error says that p has ended
			log.Print(context.Cause(stopping))
		case <-tick:
		}
		st := p.Stats()
		if err := st.Failing.Err; failing != (err != nil) {
			failing = err != nil
			log.Print(cmp.Or(err, errors.New("sums are saved again")))
		}
		if counts {
			fmt.Fprintf(os.Stderr, "\r%d of %d files, %d MB", st.Succeeded+st.Failed, total, h.bytes.Load()/1e6)
		}
	}
}

// A file is one that was found below DIR, and what became of it.
type file struct {
	rel     string // its path below DIR, with slashes
	version string
	hash    []byte // nil if it was not read
}

// version is what is compared to find out whether a file has changed. The year of an mtime
// may be out of reach for nanoseconds in an int64.
func version(info fs.FileInfo) string {
	return fmt.Sprintf("%d %d.%09d", info.Size(), info.ModTime().Unix(), info.ModTime().Nanosecond())
}

// walk returns the regular files below DIR, sorted by path. It ends early when ctx is done.
func (h *hashtree) walk(ctx context.Context) (files []*file) {
	_ = filepath.WalkDir(h.real, func(path string, entry fs.DirEntry, err error) error {
		f := &file{rel: filepath.ToSlash(strings.TrimPrefix(path, h.real))}
		switch {
		case ctx.Err() != nil:
			return fs.SkipAll
		case err != nil:
			h.fail(fmt.Errorf("%q: %w", h.dir+f.rel, reason(err)))
		case entry.Type().IsRegular():
			info, err := os.Lstat(path)
			if err == nil { // else opening it will say why
				f.version = version(info)
			}
			if !slices.ContainsFunc(h.skip, func(own fs.FileInfo) bool { return os.SameFile(own, info) }) {
				files = append(files, f)
			}
		}
		return nil
	})
	slices.SortFunc(files, func(a, b *file) int { return cmp.Compare(a.rel, b.rel) })
	return files
}

// A sum is the result of a task, and what a later run has to know to use it again.
type sum struct {
	Path    []byte // JSON would change a string that is not UTF-8
	Hash    []byte
	Version string // of the file when it was read; "" if a change may not show in it
}

// hash is the function of the pool's tasks. When ctx is done it returns, even if the file
// system never answers: the goroutine that asked then ends with the process.
func (h *hashtree) hash(ctx context.Context, f *file) (sum, error) {
	s := new(sum)
	done := make(chan error, 1)
	go func() { done <- h.read(f, s) }()
	select {
	case err := <-done:
		return *s, reason(err) // FILE keeps only the text of an error
	case <-ctx.Done():
		return sum{}, errors.New("interrupted")
	}
}

// read sets s. It does not wait for a pipe or a device that has taken the place
// of the file that was found, and follows no symbolic link that leads out of DIR.
func (h *hashtree) read(f *file, s *sum) error {
	h.opening(f.rel)
	began := time.Now()
	in, err := h.root.OpenFile(f.rel, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	defer in.Close()
	before, err := in.Stat()
	if err != nil {
		return err
	}
	if !before.Mode().IsRegular() {
		return errors.New("not a regular file any more")
	}
	digest := sha256.New()
	size, err := io.Copy(digest, in)
	h.bytes.Add(size)
	if err != nil {
		return err
	}
	s.Path, s.Hash = []byte(h.real+f.rel), digest.Sum(nil)
	// The clock of a file system may have steps of 2 s, and mtimes may lie in the future. They
	// are compared: the difference of two may overflow.
	if after, err := in.Stat(); err == nil && version(after) == version(before) && before.ModTime().Add(2*time.Second).Before(began) {
		s.Version = version(before)
	}
	return nil
}

// reason is err without the operation and the path of an [fs.PathError].
func reason(err error) error {
	if pathErr := (*fs.PathError)(nil); errors.As(err, &pathErr) {
		return pathErr.Err
	}
	return err
}
