package jetstream

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	// dedupe is how long the servers remember the key of a task, which takes them 111 bytes
	// for each. The contract asks for 10 s.
	dedupe    = 15 * time.Second
	minDedupe = 10 * time.Second

	// startsAge is how long the starts of a task are counted. A task that kills its processes
	// is started again after each lease, far more often.
	startsAge = 7 * 24 * time.Hour
)

// openPool makes the streams and the consumer, or joins those that are there.
func (e *Engine) openPool(ctx context.Context, opts *Options) error {
	ctx, end, err := e.begin(ctx, openTimeout, "$JS.API.")
	if err != nil {
		return err
	}
	defer end()
	if err = e.checkParts(ctx); err == nil {
		err = e.openStreams(ctx, opts)
	}
	if err == nil {
		return nil
	}
	if err = cause(ctx, err); isAny(err, jetstream.ErrJetStreamNotEnabled, nats.ErrNoResponders) {
		return fmt.Errorf("JetStream is not enabled in this server: %w", err)
	}
	return err
}

func (e *Engine) openStreams(ctx context.Context, opts *Options) (err error) {
	n := e.names
	replicas := cmp.Or(opts.Replicas, defaultReplicas)
	e.tasks, err = e.stream(ctx, opts, jetstream.StreamConfig{
		Name:        n.tasks,
		Description: "tasks of a resultpool",
		Subjects:    []string{n.task, n.rest + "*.*"},
		Retention:   jetstream.WorkQueuePolicy,
		Discard:     jetstream.DiscardNew,
		// Of each subject, so that there is always room for tasks that are given back.
		MaxMsgsPerSubject:    int64(cmp.Or(opts.QueueBound, defaultQueueBound)),
		DiscardNewPerSubject: true,
		Duplicates:           dedupe,
		Replicas:             replicas,
		// No ID is given twice, even if the stream is deleted and made again: the clock is
		// ahead of the IDs as long as fewer than a million are given in a second.
		FirstSeq: uint64(time.Now().UnixMicro()),
	}, func(has jetstream.StreamConfig) error {
		return errors.Join(
			differs("QueueBound", opts.QueueBound, int(has.MaxMsgsPerSubject)),
			unless(has.Retention == jetstream.WorkQueuePolicy, "its retention policy is not that of a work queue"),
			unless(has.Discard == jetstream.DiscardNew, "it discards old tasks when it is full"),
			unless(has.MaxAge == 0, "it forgets tasks that are old"),
			unless(has.MaxMsgsPerSubject <= 0 || has.DiscardNewPerSubject, "it limits the tasks of a subject, and drops old ones"),
			unless(has.MaxMsgsPerSubject > 0 || has.MaxMsgs > 0 || has.MaxBytes > 0, "it is not bounded"),
			unless(has.Storage == jetstream.FileStorage, "it is kept in memory"),
			unless(has.Duplicates >= minDedupe, "its duplicate window is less than 10 s"),
		)
	})
	if err != nil {
		return err
	}
	if e.run == 0 && e.tasks.CachedInfo().Config.MaxMsgsPerSubject < smallBound {
		e.run = 1
	}
	republish := jetstream.RePublish{Source: n.result + "*", Destination: n.saved + "{{wildcard(1)}}"}
	e.results, err = e.stream(ctx, opts, jetstream.StreamConfig{
		Name:        n.results,
		Description: "results of a resultpool",
		Subjects:    []string{n.result + "*"},
		MaxAge:      cmp.Or(opts.Retention, defaultRetention),
		Replicas:    replicas,
		AllowDirect: true,
		RePublish:   &republish,
	}, func(has jetstream.StreamConfig) error {
		return errors.Join(
			differs("Retention", opts.Retention, has.MaxAge),
			unless(has.Retention == jetstream.LimitsPolicy, "its retention policy is not that of limits"),
			unless(has.Storage == jetstream.FileStorage, "it is kept in memory"),
			unless(has.AllowDirect, "it does not allow direct gets"),
			unless(has.RePublish != nil && *has.RePublish == republish, "it does not republish results as it has to"),
			unless(has.Discard == jetstream.DiscardNew || has.MaxMsgs <= 0 && has.MaxBytes <= 0, "it discards old results when it is full"),
		)
	})
	if err != nil {
		return err
	}
	e.starts, err = e.stream(ctx, opts, jetstream.StreamConfig{
		Name:              n.starts,
		Description:       "starts of tasks of a resultpool that were delivered several times",
		Subjects:          []string{n.start + "*"},
		MaxAge:            startsAge,
		MaxMsgsPerSubject: 1,
		Replicas:          replicas,
		AllowDirect:       true,
		AllowMsgCounter:   true,
	}, func(has jetstream.StreamConfig) error {
		return unless(has.AllowMsgCounter, "it does not count, which needs a server 2.12 or newer")
	})
	if err != nil {
		return err
	}
	return e.openConsumer(ctx, opts)
}

// stream makes a stream, or joins the existing one if it is as it has to be.
func (e *Engine) stream(
	ctx context.Context, opts *Options, want jetstream.StreamConfig, check func(has jetstream.StreamConfig) error,
) (jetstream.Stream, error) {
	st, err := e.madeOrThere(ctx, want)
	if err == nil {
		has := st.CachedInfo().Config
		if len(has.Subjects) == 1 && len(want.Subjects) > 1 && has.Subjects[0] == want.Subjects[0] {
			return nil, fmt.Errorf("stream %s: %w", want.Name, errEarlier)
		}
		err = errors.Join(
			unless(slices.Equal(has.Subjects, want.Subjects), fmt.Sprintf("its subjects are %q, want %q", has.Subjects, want.Subjects)),
			unless(!has.NoAck, "it does not acknowledge"),
			differs("Replicas", opts.Replicas, has.Replicas),
			check(has),
		)
	}
	if err != nil {
		return nil, fmt.Errorf("stream %s: %w", want.Name, err)
	}
	return st, nil
}

// madeOrThere returns the stream of that name, and makes it if there is none.
func (e *Engine) madeOrThere(ctx context.Context, want jetstream.StreamConfig) (jetstream.Stream, error) {
	return getOrCreate(ctx, func() (jetstream.Stream, error) {
		st, err := e.js.Stream(ctx, want.Name)
		if errors.Is(err, jetstream.ErrStreamNotFound) {
			st, err = e.js.CreateStream(ctx, want)
		}
		return st, err
	})
}

// consumer returns the consumer of that name, and makes it if there is none.
func (e *Engine) consumer(ctx context.Context, want jetstream.ConsumerConfig) (jetstream.Consumer, error) {
	return getOrCreate(ctx, func() (jetstream.Consumer, error) {
		c, err := e.tasks.Consumer(ctx, want.Durable)
		if errors.Is(err, jetstream.ErrConsumerNotFound) {
			c, err = e.tasks.CreateConsumer(ctx, want)
		}
		return c, err
	})
}

// getOrCreate repeats try while it has created nothing because another process has. In a cluster
// it takes a moment until others see what was made.
func getOrCreate[T any](ctx context.Context, try func() (T, error)) (T, error) {
	for {
		got, err := try()
		if !errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) &&
			!hasCode(err, jetstream.JSErrCodeConsumerExists, jetstream.JSErrCodeConsumerAlreadyExists, jetstream.JSErrCodeConsumerNameExists) {
			return got, err
		}
		if err := pause(ctx, 10*time.Millisecond); err != nil {
			return got, err
		}
	}
}

func (e *Engine) openConsumer(ctx context.Context, opts *Options) error {
	n := e.names
	c, err := e.consumer(ctx, jetstream.ConsumerConfig{
		Durable:       n.consumer,
		AckPolicy:     jetstream.AckExplicitPolicy,
		AckWait:       cmp.Or(opts.Lease, defaultLease),
		MaxDeliver:    -1, // a task that the server no longer delivers would never have a result
		MaxAckPending: -1,
		MaxWaiting:    4096,
	})
	if err == nil {
		has := c.CachedInfo().Config
		e.workers, e.lease = has, has.AckWait
		err = errors.Join(
			differs("Lease", opts.Lease, has.AckWait),
			unless(has.AckPolicy == jetstream.AckExplicitPolicy, "it does not wait for acknowledgements"),
			unless(has.MaxDeliver == -1, "it limits how often a task is delivered"),
			unless(has.MaxAckPending == -1, "it limits how many tasks are worked on"),
			unless(!has.HeadersOnly, "it delivers headers and no tasks"),
		)
	}
	if err != nil {
		return fmt.Errorf("consumer %s of stream %s: %w", n.consumer, n.tasks, err)
	}
	return nil
}

// errEarlier is why a pool is not opened whose messages would be misread.
var errEarlier = errors.New("the pool was made by an earlier version, which has one task in a message: finish what is in it, and read " +
	"its results, with that version; then delete its streams (nats stream rm), or use another name")

func differs[T comparable](field string, given, has T) error {
	var zero T
	if given == zero || given == has {
		return nil
	}
	return fmt.Errorf("%s is %v in Options, and the pool was made with %v: give that, or 0 for what the pool has", field, given, has)
}

func unless(ok bool, what string) error {
	if ok {
		return nil
	}
	return errors.New(what)
}
