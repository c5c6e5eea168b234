//go:build unix

package outage

import (
	"fmt"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// queue is what the server knows of the queue, if that is to be told for an error: whether
// tasks that are left have been delivered, to nobody or to somebody, and are waited for.
func (s *site) queue(failed error) string {
	if failed == nil {
		return ""
	}
	ctx := s.t.Context()
	nc, err := nats.Connect(s.client(part{}).URL)
	if err != nil {
		return err.Error()
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		return err.Error()
	}
	stream, err := js.Stream(ctx, "resultpool_"+poolName+"_tasks")
	if err != nil {
		return err.Error()
	}
	consumer, err := stream.Consumer(ctx, "workers")
	if err != nil {
		return err.Error()
	}
	has, is := stream.CachedInfo().State, consumer.CachedInfo()
	return fmt.Sprintf("tasks %d to %d, %d; delivered %+v, acknowledged up to %+v, under way %d, delivered again %d, to come %d, pulls %d",
		has.FirstSeq, has.LastSeq, has.Msgs, is.Delivered, is.AckFloor, is.NumAckPending, is.NumRedelivered, is.NumPending, is.NumWaiting)
}
