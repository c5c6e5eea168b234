package jetstream

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// kindKey is the key of the kind in the metadata of a stream.
const kindKey = "kind"

// describeTry is for how long one request waits for its answer: of several that make a stream in a
// cluster at once, one is sometimes left without.
const describeTry = 2 * time.Second

// Describe stores kind if nothing is stored yet, and returns what is stored.
//
// The kind is stored as the metadata of an empty stream: two processes cannot make streams of
// one name with different configurations. A message beside the results that never expires
// would be simpler, but a server that was killed forgets that it never expires.
func (e *Engine) Describe(ctx context.Context, kind string) (string, error) {
	call, end, err := e.begin(ctx, askTimeout, e.names.info, "$JS.API.STREAM.CREATE.")
	if err != nil {
		return "", err
	}
	defer end()
	var st jetstream.Stream
	for again := true; again; {
		try, cancel := context.WithTimeout(call, describeTry)
		st, err = e.madeOrThere(try, jetstream.StreamConfig{
			Name:        e.names.kind,
			Description: "what the tasks and results of a resultpool are: in the metadata",
			Subjects:    []string{e.names.kindSubject},
			Replicas:    e.tasks.CachedInfo().Config.Replicas,
			Metadata:    map[string]string{kindKey: kind},
		})
		cancel()
		again = errors.Is(err, context.DeadlineExceeded) && call.Err() == nil
	}
	if err != nil {
		return "", e.fail(call, "describe", err)
	}
	return st.CachedInfo().Config.Metadata[kindKey], nil
}
