package embedded

import (
	"context"
	"errors"
	"time"

	"github.com/resultpool/resultpool/engine"
	"github.com/resultpool/resultpool/engine/jetstream"
)

// Options are the options of the server and of the pool. A nil *Options is the zero value.
type Options struct {
	ServerOptions

	// Retention, QueueBound, Run and Lease are as in jetstream.Options.
	Retention  time.Duration
	QueueBound int
	Run        int
	Lease      time.Duration
}

// An Engine is a server in this process, and an engine on it. It implements engine.Engine and every
// optional interface of that package. While the server stores nothing, as on a full disk, the
// errors of its methods say why.
type Engine struct {
	*jetstream.Engine
	server *Server
}

// Open starts a server on a directory, as Start does, and opens the pool of that name in it, as
// jetstream.Open does. Several pools on one directory need one server: Start it, and
// jetstream.Open each pool with its ClientOptions. If another process has a server on the
// directory, the error matches ErrInUse: join that server with jetstream.OpenFolder.
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
		Run:        opts.Run,
		Lease:      opts.Lease,
	})
	if err != nil {
		s.Close()
		return nil, err
	}
	return &Engine{Engine: eng, server: s}, nil
}

// URL is where the server listens for other processes, without credentials: see Server.URL. Other
// processes that use jetstream.OpenFolder need only the directory.
func (e *Engine) URL() string { return e.server.URL() }

// Close closes the engine and shuts the server down, for the other processes that have joined,
// too. Their engines wait until a server is back. It blocks as Engine.Close of package jetstream
// and Server.Close do.
func (e *Engine) Close() error {
	err := e.Engine.Close()
	e.server.Close()
	return err
}

// Retryable is Retryable of the engine, except that it is true while the server stores nothing: such a server is
// started again, even if it looks as if it had no JetStream.
func (e *Engine) Retryable(err error) bool {
	var failed *failure
	if errors.As(err, &failed) && !errors.Is(err, engine.ErrTooLarge) && !errors.Is(err, engine.ErrClosed) {
		return true
	}
	return e.Engine.Retryable(err)
}
