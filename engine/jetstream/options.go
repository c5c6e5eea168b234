package jetstream

import (
	"fmt"
	"regexp"
	"time"

	"github.com/nats-io/nats.go"
)

// Options are how a pool's queue and results are kept. A nil *Options means the zero value.
//
// The servers keep the settings of a pool. For an existing pool, a zero field means the setting that the pool was
// made with, and any other value must equal it. Open returns an error that names the field of a value that is not
// allowed, such as a negative one.
type Options struct {
	// NATS is passed to the client: credentials, TLS, more servers' addresses, callbacks.
	// The engine itself sets what it relies on: reconnecting for ever, even to servers that
	// refuse the credentials, and not retrying the first connection.
	NATS []nats.Option

	// Replicas is how many servers of a cluster keep each task and result: 1, 3 or 5.
	// 0 is 1, or what the pool has.
	Replicas int

	// Retention is how long a result is kept, at least 1 s. 0 is seven days, or what the pool
	// has. The servers need about 131 bytes of memory for each result.
	Retention time.Duration

	// QueueBound is how many messages may be in the queue, including those being worked on: as many tasks if each
	// is alone in its message, and up to Run times as many. 0 is 1<<20, or what the pool has.
	QueueBound int

	// Run is how many of the tasks that this process submits are in one message, at most 256. The more tasks are in
	// one message, the less a task costs; they go to one process together, and share one lease. 0 is as many as a
	// process has lately done in 50 ms, and 1 if QueueBound is less than 4,096 or nobody has done any in the last 2
	// s.
	//
	// It is not a setting of the pool: each process may have its own.
	Run int

	// Lease is how long a task is held without a heartbeat before another machine gets it (a visibility timeout), at
	// least 100 ms. 0 is 30 s, or what the pool has.
	Lease time.Duration
}

const (
	defaultReplicas   = 1
	defaultRetention  = 7 * 24 * time.Hour
	defaultQueueBound = 1 << 20
	defaultLease      = 30 * time.Second

	minLease     = 100 * time.Millisecond
	minRetention = time.Second

	// smallBound is below which a bound is one of tasks, unless Options.Run says something else.
	smallBound = 4096
)

func (o *Options) check() error {
	switch {
	case o.Replicas != 0 && o.Replicas != 1 && o.Replicas != 3 && o.Replicas != 5:
		return fmt.Errorf("jetstream: Replicas is %d, want 1, 3 or 5, or 0 for what the pool has", o.Replicas)
	case o.QueueBound < 0:
		return fmt.Errorf("jetstream: QueueBound is %d, want 1 or more, or 0 for what the pool has", o.QueueBound)
	case o.Run < 0 || o.Run > maxRun:
		return fmt.Errorf("jetstream: Run is %d, want 1 to %d, or 0 to have it follow the work", o.Run, maxRun)
	case o.Lease != 0 && o.Lease < minLease:
		return fmt.Errorf("jetstream: Lease is %v, want %v or more, or 0 for what the pool has", o.Lease, minLease)
	case o.Retention != 0 && o.Retention < minRetention:
		return fmt.Errorf("jetstream: Retention is %v, want %v or more, or 0 for what the pool has", o.Retention, minRetention)
	}
	return nil
}

// goodName keeps the names of streams, and of the files that servers make of them, short.
var goodName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,128}$`)

func checkName(name string) error {
	if !goodName.MatchString(name) {
		return fmt.Errorf("jetstream: the name of the pool is %.200q, want 1 to 128 letters, digits, - and _", name)
	}
	return nil
}
