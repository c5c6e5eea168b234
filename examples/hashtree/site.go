package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/resultpool/resultpool/engine"
	"github.com/resultpool/resultpool/engine/jetstream"
)

// A site is where several hashtrees meet: what -engine says, opened.
type site struct {
	files engine.Engine // paths, and their records
	turns engine.Engine // see turn
	dir   os.FileInfo   // of DIR, which is not hashed itself, or nil
	close func()        // all of it
}

type siteOptions struct {
	where    string // DIR, or addresses of servers
	name     string
	lease    time.Duration
	settling time.Duration // see defaultSettling
	say      func(format string, args ...any)
}

const (
	// defaultLease is how long others wait for one that was killed. It is long enough for
	// a machine to stand still for a moment.
	defaultLease = 10 * time.Second

	// defaultSettling is how long the process that has the server of a folder may take to
	// start it. If it takes longer, that is no hashtree.
	defaultSettling = 10 * time.Second

	// bound is how many files may be submitted and not hashed. It is short since they stay
	// there when all are killed, and are hashed first the next time, needed or not.
	bound = 4096
)

// siteName is the same for all that are called with the same directories, in whatever
// order and by whatever names. Others have nothing to do with them.
func siteName(dirs []root) string {
	var reals []string
	for _, dir := range dirs {
		reals = append(reals, dir.real)
	}
	slices.Sort(reals)
	sum := sha256.Sum256([]byte(strings.Join(slices.Compact(reals), "\x00")))
	return fmt.Sprintf("hashtree-%x", sum[:8])
}

// isURL reports whether -engine says where servers are, and no folder.
func isURL(where string) bool { return strings.Contains(where, "://") }

// checkWhere returns what is wrong with the value of -engine.
func checkWhere(where string) error {
	switch {
	case where == "":
		return errors.New("want a folder, or nats://HOST:PORT")
	case !isURL(where):
		if host, port, err := net.SplitHostPort(where); err == nil && host != "" && port != "" && !strings.ContainsAny(where, `/\`) {
			return fmt.Errorf("want nats://%s for servers, or ./%s for a folder", where, where)
		}
		return nil
	}
	for _, one := range strings.Split(where, ",") {
		u, err := url.Parse(strings.TrimSpace(one))
		if err != nil || u.Host == "" || !slices.Contains([]string{"nats", "tls", "ws", "wss"}, u.Scheme) {
			return errors.New("want a folder, or nats://HOST:PORT, or several of these with commas between them")
		}
	}
	return nil
}

// shown is the value of -engine without passwords.
func shown(where string) string {
	if !isURL(where) {
		return printable(where)
	}
	var all []string
	for _, one := range strings.Split(where, ",") {
		if u, err := url.Parse(strings.TrimSpace(one)); err == nil {
			u.User = nil
			all = append(all, u.String())
		}
	}
	return printable(strings.Join(all, ","))
}

// openSite opens a folder, or connects to servers.
func openSite(ctx context.Context, opts siteOptions) (*site, error) {
	if !isURL(opts.where) {
		return openFolder(ctx, opts)
	}
	client := []nats.Option{
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil {
				opts.say("the servers do not answer: %v\nwill try again until they do; press Ctrl-C twice to give up", err)
			}
		}),
		nats.ReconnectHandler(func(*nats.Conn) { opts.say("the servers answer again") }),
	}
	return connect(opts, func(name string, with *jetstream.Options) (*jetstream.Engine, error) {
		with.NATS, client = client, nil // one of the engines says it
		return jetstream.Open(ctx, opts.where, name, with)
	})
}

// connect opens what a site has.
func connect(opts siteOptions, open func(name string, with *jetstream.Options) (*jetstream.Engine, error)) (*site, error) {
	files, err := open(opts.name, &jetstream.Options{QueueBound: bound, Lease: opts.lease})
	if err != nil {
		return nil, err
	}
	turns, err := open(opts.name+"-turn", &jetstream.Options{QueueBound: 1, Lease: opts.lease})
	if err != nil {
		_ = files.Close()
		return nil, err
	}
	return &site{
		files: files,
		turns: turns,
		close: func() {
			_ = turns.Close() // an error could only say that it is closed
			_ = files.Close()
		},
	}, nil
}

// isOwn reports whether something is DIR.
func (s *site) isOwn(info os.FileInfo) bool { return s.dir != nil && os.SameFile(s.dir, info) }
