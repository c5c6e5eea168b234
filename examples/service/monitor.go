package main

import (
	"context"
	"errors"
	"flag"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"time"

	"github.com/resultpool/resultpool/monitor"
	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
)

// An operator sees what the pool does: on a page, which prometheus can read, too, in profiles, and in the log. Clients
// do not: it is at another address.
type operator struct {
	addr    *string
	monitor *monitor.Monitor
	server  http.Server
}

func newOperator() *operator {
	return &operator{
		addr: flag.String("admin", "localhost:8081", "`address` of the page for operators, who need no password; none if it is empty"),
		monitor: monitor.New(&monitor.Options{
			Stuck: 30 * time.Second,
			OnStuck: func(pool string, id store.ID, atLeast time.Duration) {
				slog.Warn("a job is stuck", "pool", pool, "job", id.String(), "for", atLeast)
			},
		}),
	}
}

// newPool makes the pool and shows it.
func (o *operator) newPool(ctx context.Context, results store.ResultStore[[]string], opts *pool.Options) (*pool.Pool[string, []string], error) {
	const name = "lookups"
	opts.Name, opts.Logger, opts.Hooks, opts.Profile = name, slog.Default(), o.monitor.Hooks(name), true
	p, err := pool.New(ctx, net.DefaultResolver.LookupHost, results, opts)
	if err != nil || *o.addr == "" {
		return p, err
	}
	listener, err := net.Listen("tcp", *o.addr)
	if err != nil {
		return p, err
	}
	o.monitor.Add(name, p)
	mux := http.NewServeMux()
	mux.Handle("/", o.monitor)
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	o.server = http.Server{Handler: mux, ReadHeaderTimeout: time.Minute}
	go func() { log.Print(o.server.Serve(listener)) }()
	log.Printf("for operators: http://%s/", listener.Addr())
	return p, nil
}

// stop ends the page, as the last of all.
func (o *operator) stop() error { return errors.Join(o.monitor.Close(), o.server.Close()) }
