package embedded

import (
	"context"
	"time"

	"github.com/resultpool/resultpool/engine"
	"github.com/resultpool/resultpool/engine/jetstream"
)

// Options are those of the server and of the pool. A nil *Options is the zero value.
type Options struct {
	ServerOptions

	// Retention, QueueBound and Lease are as in jetstream.Options.
	Retention  time.Duration
	QueueBound int
	Lease      time.Duration
}

// An Engine is a server in this process, and an engine on it. It implements engine.Engine
// and every optional interface of that package.
type Engine struct {
	*jetstream.Engine
	server *Server
}

var (
	_ engine.Engine      = (*Engine)(nil)
	_ engine.Waiter      = (*Engine)(nil)
	_ engine.StartMarker = (*Engine)(nil)
	_ engine.Sizer       = (*Engine)(nil)
	_ engine.Describer   = (*Engine)(nil)
	_ engine.Retryabler  = (*Engine)(nil)
)

// Open starts a server on a directory, as Start does, and opens the pool of that name in
// it, as jetstream.Open does. Several pools on one directory need one server: Start it,
// and jetstream.Open each with its ClientOptions. If another process has a server on the
// directory, the error matches ErrInUse: join that with jetstream.OpenFolder.
func Open(ctx context.Context, dir, name string, opts *Options) (*Engine, error) {
	if opts == nil {
		opts = &Options{}
	}
	s, err := Start(ctx, dir, &opts.ServerOptions)
	if err != nil {
		return nil, err
	}
	eng, err := jetstream.Open(ctx, inProcessURL, name, &jetstream.Options{
		NATS:       s.ClientOptions(),
		Retention:  opts.Retention,
		QueueBound: opts.QueueBound,
		Lease:      opts.Lease,
	})
	if err != nil {
		s.Close()
		return nil, err
	}
	return &Engine{Engine: eng, server: s}, nil
}

// URL is where the server listens for other processes, without credentials: see
// Server.URL. With jetstream.OpenFolder those need the directory only.
func (e *Engine) URL() string { return e.server.URL() }

// Close closes the engine and shuts the server down: also for the other processes that
// have joined. Theirs wait for it to come back.
func (e *Engine) Close() error {
	err := e.Engine.Close()
	e.server.Close()
	return err
}
