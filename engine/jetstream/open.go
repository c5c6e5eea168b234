package jetstream

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/semaphore"
)

// Open connects to the servers at url and opens the pool of that name, or makes it if there is none. The name has
// letters, digits, - and _. url is as for nats.Connect: one address or several with commas between them,
// "nats://10.0.0.7:4222".
//
// Open waits for the servers until ctx is done, and a minute at most, and does not retry: it returns an error if
// there is no server at url, or if it refuses the credentials. Later the engine reconnects for ever, even if it is
// refused: passwords change.
func Open(ctx context.Context, url, name string, opts *Options) (*Engine, error) {
	if opts == nil {
		opts = &Options{}
	}
	if err := cmp.Or(checkName(name), opts.check(), checkServers(url), context.Cause(ctx)); err != nil {
		return nil, err
	}
	e := &Engine{
		names:  namesOf(name),
		run:    opts.Run,
		outbox: outbox{pushes: make(map[string]*push)},
		window: semaphore.NewWeighted(inFlight),
		looks:  make(chan struct{}, maxLooks),
		calls:  make(map[*call]struct{}),
		idle:   make(chan struct{}),
		gone:   make(chan struct{}),
	}
	if err := e.connect(ctx, url, name, opts.NATS); err != nil {
		return nil, err
	}
	if err := e.openPool(ctx, opts); err != nil {
		_ = e.Close()
		return nil, fmt.Errorf("jetstream: pool %q at %s: %w", name, withoutPasswords(url), err)
	}
	return e, nil
}

func (e *Engine) connect(ctx context.Context, url, name string, opts []nats.Option) error {
	all := append([]nats.Option{
		nats.Name("resultpool " + name),
		nats.PingInterval(3 * time.Second), // notices a link that was cut silently after 6 to 9 s
		nats.ReconnectWait(250 * time.Millisecond),
		nats.FlusherTimeout(10 * time.Second),
	}, opts...)
	all = append(all,
		nats.RetryOnFailedConnect(false),
		nats.IgnoreAuthErrorAbort(),
		nats.MaxReconnects(-1),
		nats.ReconnectBufSize(-1), // what cannot be sent now is an error, and is not sent later
		e.hook,
	)
	type outcome struct {
		nc  *nats.Conn
		err error
	}
	connected := make(chan outcome, 1)
	go func() {
		nc, err := nats.Connect(url, all...)
		connected <- outcome{nc, err}
	}()
	select {
	case c := <-connected:
		if c.err != nil {
			return connectError(url, c.err)
		}
		e.nc = c.nc
	case <-ctx.Done():
		go func() { // ends when the client's own timeout does
			if c := <-connected; c.nc != nil {
				c.nc.Close()
			}
		}()
		return fmt.Errorf("jetstream: connecting to %s: %w", withoutPasswords(url), context.Cause(ctx))
	}
	js, err := jetstream.New(e.nc, jetstream.WithPublishAsyncTimeout(askTimeout), jetstream.WithPublishAsyncMaxPending(1<<20))
	if err != nil {
		e.nc.Close()
		return err
	}
	e.js = js
	return nil
}

// hook is the last of the client's options. It has the client call the engine, and then the
// callbacks of the user.
func (e *Engine) hook(o *nats.Options) error {
	disconnected, failed, closed := o.DisconnectedErrCB, o.AsyncErrorCB, o.ClosedCB
	if old := o.DisconnectedCB; disconnected == nil && old != nil { // deprecated, and not called if there is a newer one
		disconnected = func(nc *nats.Conn, _ error) { old(nc) }
	}
	if o.NoCallbacksAfterClientClose {
		o.NoCallbacksAfterClientClose, closed = false, nil // Close waits for the last one
	}
	o.AllowReconnect = true
	o.DisconnectedErrCB = func(nc *nats.Conn, err error) {
		e.broken(err)
		if disconnected != nil {
			disconnected(nc, err)
		}
	}
	o.AsyncErrorCB = func(nc *nats.Conn, sub *nats.Subscription, err error) {
		if errors.Is(err, nats.ErrPermissionViolation) {
			e.refused(err)
		} else {
			e.heard(err)
		}
		if failed != nil {
			failed(nc, sub, err)
		}
	}
	o.ClosedCB = func(nc *nats.Conn) {
		e.endCalls(nats.ErrConnectionClosed)
		close(e.gone) // first: the user's callback may call Close
		if closed != nil {
			closed(nc)
		}
	}
	return nil
}

// checkServers refuses an empty address, which the client would take for a server on this
// machine, and passwords that the client would take for a host and show in its error.
func checkServers(servers string) error {
	empty := true
	for part := range strings.SplitSeq(servers, ",") {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		empty = false
		if !strings.Contains(part, "://") {
			part = "nats://" + part
		}
		if u, err := url.Parse(part); err != nil || u.Host == "" || strings.Contains(u.Path+u.RawQuery+u.Fragment, "@") {
			return badAddress(servers, err)
		}
	}
	if empty {
		return errors.New("jetstream: the address of the servers is empty, want nats://HOST:PORT")
	}
	return nil
}

// badAddress is the error for a wrong address, with the words of the parser unless they may show
// a part of a password.
func badAddress(servers string, err error) error {
	at := withoutPasswords(servers)
	if bad := (*url.Error)(nil); errors.As(err, &bad) && !strings.Contains(servers, "@") {
		return fmt.Errorf("jetstream: %s is no address of a NATS server, want nats://HOST:PORT: %w", at, bad.Err)
	}
	return fmt.Errorf("jetstream: %s is no address of a NATS server, want nats://HOST:PORT or "+
		"nats://USER:PASSWORD@HOST:PORT, with %%40 for @, %%2F for / and so on in a password", at)
}

func connectError(servers string, err error) error {
	at := withoutPasswords(servers)
	var bad *url.Error
	switch {
	case errors.As(err, &bad): // an address in Options.NATS, which the text of bad shows as it is
		return errors.New("jetstream: a server in Options.NATS is no address of a NATS server, want nats://HOST:PORT")
	case errors.Is(err, nats.ErrAuthorization):
		return fmt.Errorf("jetstream: the server at %s refuses the credentials, or wants some: give them in Options.NATS: %w", at, err)
	case errors.Is(err, nats.ErrNoServers), errors.Is(err, nats.ErrTimeout):
		return fmt.Errorf("jetstream: no NATS server answers at %s: is it running, and is the address right?: %w", at, err)
	}
	return fmt.Errorf("jetstream: connecting to %s: %w", at, err)
}

// withoutPasswords is the servers' addresses as they may be shown. A password may have any
// character of an address, so this hides rather too much, but never more than up to "://".
func withoutPasswords(servers string) string {
	parts := strings.SplitAfter(servers, "://")
	for i, part := range parts {
		if at := strings.LastIndex(part, "@"); at >= 0 {
			parts[i] = "xxxxx" + part[at:]
		}
	}
	return strings.Join(parts, "")
}
