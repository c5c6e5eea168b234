package jetstream

import (
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
)

// Options are how a pool's queue and results are kept. A nil *Options is the zero value.
//
// The pool's settings live in the servers. Who opens a pool that exists gets what it was
// made with where a field is zero, and an error where a field says something else.
type Options struct {
	// NATS is passed to the client as it is: credentials, TLS, more servers' addresses,
	// callbacks. What the engine relies on it sets itself: reconnecting for ever, also to
	// servers that refuse the credentials, and not retrying the first connection.
	NATS []nats.Option

	// Replicas is how many servers of a cluster keep each task and result: 1, 3 or 5.
	// 0 is 1, or what the pool has.
	Replicas int

	// Retention is for how long a result is kept. 0 is seven days, or what the pool
	// has. The servers need about 131 bytes of memory for each result.
	Retention time.Duration

	// QueueBound is how many tasks may be in the queue, those being worked on
	// included. 0 is 1<<20, or what the pool has.
	QueueBound int

	// Lease is for how long a task is held without a heartbeat before another machine
	// gets it. 0 is 30 s, or what the pool has.
	Lease time.Duration
}

const (
	defaultReplicas   = 1
	defaultRetention  = 7 * 24 * time.Hour
	defaultQueueBound = 1 << 20
	defaultLease      = 30 * time.Second

	minLease     = 100 * time.Millisecond
	minRetention = time.Second
)

func (o *Options) check() error {
	switch {
	case o.Replicas != 0 && o.Replicas != 1 && o.Replicas != 3 && o.Replicas != 5:
		return fmt.Errorf("jetstream: Replicas is %d, want 1, 3 or 5, or 0 for what the pool has", o.Replicas)
	case o.QueueBound < 0:
		return fmt.Errorf("jetstream: QueueBound is %d, want 1 or more, or 0 for what the pool has", o.QueueBound)
	case o.Lease != 0 && o.Lease < minLease:
		return fmt.Errorf("jetstream: Lease is %v, want %v or more, or 0 for what the pool has", o.Lease, minLease)
	case o.Retention != 0 && o.Retention < minRetention:
		return fmt.Errorf("jetstream: Retention is %v, want %v or more, or 0 for what the pool has", o.Retention, minRetention)
	}
	return nil
}

// maxName keeps the names of streams and the files that servers make of them short.
const maxName = 128

func checkName(name string) error {
	if name == "" {
		return fmt.Errorf("jetstream: the name of the pool is empty, want letters, digits, - and _")
	}
	if len(name) > maxName {
		return fmt.Errorf("jetstream: the name of the pool has %d bytes, want %d at most", len(name), maxName)
	}
	for _, r := range name {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-', r == '_':
		default:
			return fmt.Errorf("jetstream: the name of the pool is %q, want letters, digits, - and _ and not %q", name, r)
		}
	}
	return nil
}
