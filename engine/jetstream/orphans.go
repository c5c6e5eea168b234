package jetstream

import (
	"context"

	"github.com/nats-io/nats.go/jetstream"
)

// removeOrphans removes tasks that are acknowledged, and still in the queue. They are there
// if a server has died after it has written that the acknowledgement came, and before it has
// written that the task is gone. Started again, it delivers such a task to nobody, as it is
// acknowledged, and removes it neither: for work queues, unlike streams by interest, that is
// not looked for in a server without replicas (nats-server 2.15). Without this, Wait would
// wait for it for ever, and it would keep its place in a full queue.
//
// Everything up to the consumer's floor is acknowledged, and only what has its result is. So
// it does not matter what others do meanwhile. What is above the floor, since somebody holds
// an older task, is removed the next time.
//
// But a task that is damaged on the server's disk was delivered to nobody, and so may be
// below the floor. So they are removed one by one, as long as they can be read: where one
// cannot be read, Wait and Size say so.
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
		// A floor above the last task is one of tasks that the server has lost with its power.
		// It says nothing of those that have their IDs now.
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
