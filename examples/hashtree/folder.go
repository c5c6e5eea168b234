package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/resultpool/resultpool/engine/jetstream/embedded"
)

// A folder is the DIR of -engine DIR. One of the hashtrees that use it has the server in
// its process; embedded.Start sees to it that only one has. When that one ends, in
// whatever way, another starts the server again, on what is in the folder.
//
// The file "address" in it says where the server is, and the password, which is another
// each time. Clients look there whenever they connect. Only the owner of the folder can
// read it: on a machine with other users, these can connect to the port too.
type folder struct {
	dir string
	say func(format string, args ...any)

	stop context.CancelFunc // ends watch
	done sync.WaitGroup

	server *embedded.Server // nil if it is in another process; set by watch, if that runs
}

const (
	// lookAgain is how long after the end of the server's process another looks whether
	// it is to have the server.
	lookAgain = 200 * time.Millisecond

	// dialTimeout is how long a server on this machine may take.
	dialTimeout = 5 * time.Second
)

func openFolder(ctx context.Context, opts siteOptions) (*site, error) {
	watching, stop := context.WithCancel(context.Background())
	f := &folder{dir: opts.where, say: opts.say, stop: stop}
	inUse := f.start(ctx)
	if isFolderError(inUse) || ctx.Err() != nil {
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
		// The address stands for that in the file, which Dial looks up.
		s, err = connect(ctx, "nats://127.0.0.1", opts, nats.SetCustomDialer(f), nats.UserInfoHandler(f.user), nats.IgnoreAuthErrorAbort())
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

// isFolderError reports whether a server cannot be started because of the folder, and not
// because another process has one there.
func isFolderError(err error) bool {
	var path *fs.PathError
	return errors.As(err, &path)
}

// start starts the server and writes down where it is. The error says that there is one
// already, or what is wrong.
func (f *folder) start(ctx context.Context) error {
	const user = "hashtree"
	password := rand.Text()
	server, err := embedded.Start(ctx, f.dir, &embedded.ServerOptions{User: user, Password: password})
	if err != nil {
		return err
	}
	at, err := url.Parse(server.URL())
	if err == nil {
		at.User = url.UserPassword(user, password)
		err = replaceFile(filepath.Join(f.dir, "address"), []byte(at.String()+"\n"))
	}
	if err != nil {
		server.Close()
		return err
	}
	f.server = server
	return nil
}

// replaceFile writes a file that only this user can read, at one moment.
func replaceFile(name string, data []byte) error {
	if err := os.WriteFile(name+".new", data, 0o600); err != nil {
		return err
	}
	return os.Rename(name+".new", name)
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

// address returns what the file says.
func (f *folder) address() (*url.URL, error) {
	text, err := os.ReadFile(filepath.Join(f.dir, "address"))
	if err != nil {
		return nil, err
	}
	at, err := url.Parse(string(text[:max(0, len(text)-1)]))
	if err == nil && at.Host == "" {
		err = fmt.Errorf("%s: no address in it", filepath.Join(f.dir, "address"))
	}
	return at, err
}

// Dial connects to where the server is now.
func (f *folder) Dial(network, _ string) (net.Conn, error) {
	at, err := f.address()
	if err != nil {
		return nil, err
	}
	return net.DialTimeout(network, at.Host, dialTimeout)
}

// user returns the name and the password that the server wants now.
func (f *folder) user() (name, password string) {
	at, err := f.address()
	if err != nil {
		return "", ""
	}
	password, _ = at.User.Password()
	return at.User.Username(), password
}

func (f *folder) close() {
	f.stop()
	f.done.Wait()
	if f.server != nil {
		f.server.Close()
	}
}
