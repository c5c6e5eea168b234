package main

import (
	"bufio"
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/resultpool/resultpool/engine/jetstream"
	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
)

// A task is a file as it was found. Its sum holds as long as all of this is the same.
type task struct {
	Name      string // below DIR, quoted: JSON would change names that are not UTF-8
	Size, Sec int64
	Nano      int
}

func taskOf(name string, info fs.FileInfo) task {
	return task{strconv.Quote(name), info.Size(), info.ModTime().Unix(), info.ModTime().Nanosecond()}
}

// A sum is the result of a task.
type sum struct {
	Task task
	Hash []byte
}

// A share is the part that this process has in the work.
type share struct {
	root    *os.Root // DIR
	dir     string   // its name, as the paths of files begin with it
	real    string   // the same for all its names
	folder  string   // WHERE, if that is a folder: it is not hashed
	reading func(name string)
	engine  *jetstream.Engine
	pool    *pool.Pool[task, sum]
}

// hash is the function of the tasks, whoever submits them. It reads only regular files below DIR.
func (s *share) hash(_ context.Context, t task) (sum, error) {
	name, _ := strconv.Unquote(t.Name) // an error leaves "", which cannot be opened
	s.reading(name)
	in, err := s.root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return sum{}, err
	}
	defer in.Close()
	before, err := in.Stat()
	if err != nil || !before.Mode().IsRegular() || taskOf(name, before) != t {
		return sum{}, errors.New("it has changed since it was found")
	}
	digest := sha256.New()
	if _, err := io.Copy(digest, in); err != nil {
		return sum{}, err
	}
	if after, err := in.Stat(); err != nil || taskOf(name, after) != t {
		return sum{}, errors.New("it has changed while it was read")
	}
	return sum{t, digest.Sum(nil)}, nil
}

// turn has all files hashed and prints their sums, while no other process does.
func (s *share) turn(ctx context.Context) error {
	results, err := s.results(ctx) // also of what one that was killed has submitted
	if err != nil {
		return err
	}
	hashes := make(map[task][]byte)
	for _, res := range results {
		if res.Err == nil {
			hashes[res.Value.Task] = res.Value.Hash
		}
	}
	files, err := s.walk()
	todo := slices.DeleteFunc(slices.Clone(files), func(t task) bool { return hashes[t] != nil })
	ids, refused := s.pool.SubmitAll(ctx, todo)
	results, unknown := s.results(ctx)
	for i, id := range ids {
		res, ok := results[id]
		if !ok && ctx.Err() == nil { // a replica may lag
			res.Value, res.Err = s.pool.Get(ctx, id)
		}
		hashes[todo[i]] = res.Value.Hash
		if res.Err != nil {
			err = fmt.Errorf("%s%s: %w", s.dir, todo[i].Name, res.Err)
			log.Print(err)
		}
	}
	log.Printf("%d files, %d of them read before, %d read here", len(files), len(files)-len(todo), s.pool.Stats().Succeeded)
	return cmp.Or(context.Cause(ctx), refused, unknown, s.print(files, hashes), err)
}

// results returns those of all processes, when nothing is left to read. When ctx is done, it
// returns those that there are when this process has finished what it reads.
func (s *share) results(ctx context.Context) (map[store.ID]store.Result[sum], error) {
	if s.pool.Wait(ctx) != nil && ctx.Err() != nil {
		_ = s.pool.Stop(context.Background())
	}
	ctx = context.WithoutCancel(ctx)
	results, err := again(ctx, s.engine.Retryable, func() (map[store.ID]store.Result[sum], error) { return s.pool.Results(ctx) })
	if results != nil { // else err says which results cannot be read: those are made again
		err = nil
	}
	return results, err
}

// walk returns the regular files below DIR. The error is that of a directory.
func (s *share) walk() (files []task, unread error) {
	_ = filepath.WalkDir(s.real, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			log.Print(err)
			unread = err
		case entry.IsDir() && path == s.folder:
			return fs.SkipDir
		case entry.Type().IsRegular():
			if info, err := entry.Info(); err == nil { // else it is gone
				files = append(files, taskOf(strings.TrimPrefix(strings.TrimPrefix(path, s.real), "/"), info))
			}
		}
		return nil
	})
	return files, unread
}

// print prints the sums as sha256sum does. A backslash in front says that the name is escaped.
func (s *share) print(files []task, hashes map[task][]byte) error {
	escape := strings.NewReplacer(`\`, `\\`, "\n", `\n`, "\r", `\r`)
	out := bufio.NewWriter(os.Stdout)
	for _, t := range files {
		name, _ := strconv.Unquote(t.Name)
		path, mark := escape.Replace(s.dir+name), ""
		if path != s.dir+name {
			mark = `\`
		}
		if hashes[t] != nil {
			fmt.Fprintf(out, "%s%x  %s\n", mark, hashes[t], path)
		}
	}
	return out.Flush()
}
