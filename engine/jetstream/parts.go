package jetstream

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/resultpool/resultpool/engine"
)

const (
	partsTries = 10
	partsPause = 100 * time.Millisecond
)

// checkParts refuses a pool if a part is missing that had something in it: to make a stream anew
// deletes what is left of its files.
//
// Open makes the tasks first, then the results, then the starts, and tasks are pushed when all
// three are there. So when one of them was seen, those before it were there.
func (e *Engine) checkParts(ctx context.Context) error {
	var err error
	for range partsTries { // in a cluster it takes a moment until all see what was made
		if err = e.lookParts(ctx); !errors.Is(err, engine.ErrGone) {
			return err
		}
		if e := pause(ctx, partsPause); e != nil {
			return e
		}
	}
	return err
}

func (e *Engine) lookParts(ctx context.Context) error {
	n := e.names
	var parts [3]*jetstream.StreamInfo
	for i, name := range []string{n.starts, n.results, n.tasks} { // the latest first
		var err error
		if parts[i], err = e.lookStream(ctx, name); err != nil {
			return err
		}
	}
	starts, results, tasks := parts[0], parts[1], parts[2]
	switch {
	case tasks == nil && results != nil:
		return partGone(n.tasks, n.results, n.starts, n.kind)
	case tasks == nil && starts != nil:
		return partGone(n.tasks, n.starts, n.kind)
	case tasks == nil || results != nil || pristine(tasks):
		return nil
	}
	// The results may have been made since, and then the tasks pushed.
	if results, err := e.lookStream(ctx, n.results); err != nil || results != nil {
		return err
	}
	return partGone(n.results, n.tasks, n.starts, n.kind)
}

// pristine reports whether nothing was ever stored in a stream.
func pristine(st *jetstream.StreamInfo) bool {
	return st.State.Msgs == 0 && st.State.LastSeq < max(st.Config.FirstSeq, 1)
}

// lookStream returns nil if there is no stream of that name.
func (e *Engine) lookStream(ctx context.Context, name string) (*jetstream.StreamInfo, error) {
	st, err := e.js.Stream(ctx, name)
	switch {
	case errors.Is(err, jetstream.ErrStreamNotFound):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("stream %s: %w", name, err)
	}
	return st.CachedInfo(), nil
}

func partGone(missing, there string, others ...string) error {
	return fmt.Errorf("%w: stream %s is missing, and %s is there: if it was not deleted, then the server could not read its files, "+
		"and its log says why: restore them from a backup; to begin anew without what was in the pool, delete what there is of %s (nats stream rm)",
		engine.ErrGone, missing, there, strings.Join(append([]string{there}, others...), ", "))
}
