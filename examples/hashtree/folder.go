package main

import (
	"context"
	"errors"
	"os"
	"sync"
	"time"

	"github.com/resultpool/resultpool/engine/jetstream"
	"github.com/resultpool/resultpool/engine/jetstream/embedded"
)

// A folder is the DIR of -engine DIR. One of the hashtrees that use it has the server in
// its process; embedded.Start sees to it that only one has. When that one ends, in
// whatever way, another starts the server again, on what is in the folder.
//
// All are clients of it by jetstream.OpenFolder, which looks in the folder where the server
// is, whenever it connects.
type folder struct {
	dir string
	say func(format string, args ...any)

	stop context.CancelFunc // ends watch
	done sync.WaitGroup

	server *embedded.Server // nil if it is in another process; set by watch, if that runs
}

// lookAgain is how long after the end of the server's process another looks whether it is
// to have the server.
const lookAgain = 200 * time.Millisecond

func openFolder(ctx context.Context, opts siteOptions) (*site, error) {
	watching, stop := context.WithCancel(context.Background())
	f := &folder{dir: opts.where, say: opts.say, stop: stop}
	inUse := f.start(ctx)
	if inUse != nil && (!errors.Is(inUse, embedded.ErrInUse) || ctx.Err() != nil) {
		stop()
		return nil, inUse
	}
	if inUse != nil {
		f.done.Go(func() { f.watch(watching, inUse) })
	}
	var (
		s   *site
		err error
	)
	for deadline := time.Now().Add(opts.settling); ; {
		s, err = connect(opts, func(name string, with *jetstream.Options) (*jetstream.Engine, error) {
			return jetstream.OpenFolder(ctx, opts.where, name, with)
		})
		if err == nil || inUse == nil || ctx.Err() != nil || time.Now().After(deadline) {
			break
		}
		select {
		case <-time.After(lookAgain):
		case <-ctx.Done():
		}
	}
	if err != nil {
		f.close()
		if inUse != nil {
			return nil, inUse
		}
		return nil, err
	}
	if s.dir, err = os.Stat(opts.where); err != nil {
		s.close()
		f.close()
		return nil, err
	}
	closeClients := s.close
	s.close = func() {
		closeClients()
		f.close()
	}
	return s, nil
}

// start starts the server. The error says that there is one already, or what is wrong.
func (f *folder) start(ctx context.Context) error {
	server, err := embedded.Start(ctx, f.dir, nil)
	if err == nil {
		f.server = server
	}
	return err
}

// watch starts the server when the process that has it has ended. inUse is the error as
// long as it has not.
func (f *folder) watch(ctx context.Context, inUse error) {
	told := inUse.Error()
	for ctx.Err() == nil {
		select {
		case <-time.After(lookAgain):
		case <-ctx.Done():
			return
		}
		err := f.start(ctx)
		if err == nil {
			f.say("the hashtree that had %s open has ended: it is open here now", printable(f.dir))
			return
		}
		if text := err.Error(); text != told && ctx.Err() == nil {
			f.say("%v\nwill try again until it works; press Ctrl-C twice to give up", err)
			told = text
		}
	}
}

func (f *folder) close() {
	f.stop()
	f.done.Wait()
	if f.server != nil {
		f.server.Close()
	}
}
