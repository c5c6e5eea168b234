package jetstream

import (
	"context"

	"github.com/nats-io/nats.go/jetstream"
)

// removeOrphans removes tasks from the queue that are acknowledged. A server leaves them there if
// it dies after it has written that the acknowledgement came, and before it has written that
// the task is gone. When it is started again it does not deliver such a task, which is
// acknowledged, and does not remove it either: a server without replicas looks for them in
// streams by interest, and not in work queues (nats-server 2.15). Without removeOrphans, Wait
// would wait for the task for ever, and it would keep its place in a full queue.
//
// Everything up to the consumer's floor is acknowledged, and only a task that has its result, or is in a rest,
// is. So it does not matter what others do meanwhile. Tasks above the floor, which somebody
// keeps down by holding an older task, are removed the next time.
//
// A task that is damaged on the server's disk was delivered to nobody, and so may be below the
// floor, too. So tasks are removed one by one, as long as they can be read. Wait and Size
// report a task that cannot be read.
func (e *Engine) removeOrphans(ctx context.Context) error {
	n := e.names
	call, end, err := e.begin(ctx, askTimeout, n.info, n.consumerInfo, n.get, n.purgeTasks)
	if err != nil {
		return err
	}
	defer end()
	consumer, err := e.tasks.Consumer(call, n.consumer)
	if err != nil {
		return err
	}
	floor := consumer.CachedInfo().AckFloor.Stream
	for {
		info, err := e.tasks.Info(call)
		if err != nil {
			return err
		}
		// A floor above the last task is that of tasks that the server has lost with its power.
		// It says nothing about the tasks that have their IDs now.
		has := info.State
		if has.Msgs == 0 || has.FirstSeq > floor || floor > has.LastSeq {
			return nil
		}
		if _, err := e.ask(call, n.tasks, getRequest{Seq: has.FirstSeq}); err != nil {
			return err
		}
		if err := e.tasks.Purge(call, jetstream.WithPurgeSequence(has.FirstSeq+1)); err != nil {
			return err
		}
	}
}
