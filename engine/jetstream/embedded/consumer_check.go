package embedded

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// checkConsumers notes damaged consumers. Their state may be forgotten, but not their
// configuration.
func (c *streamCheck) checkConsumers(ctx context.Context) error {
	consumers, err := c.consumers()
	if err != nil {
		return err
	}
	for _, consumer := range consumers {
		if err := c.checkConsumer(ctx, consumer); err != nil {
			return err
		}
	}
	return nil
}

func (c *streamCheck) checkConsumer(ctx context.Context, consumer string) error {
	dir := c.consumerDir(consumer)
	state := filepath.Join(dir, stateFile)
	meta, problem, err := readMeta(dir, c.name+"/"+consumer)
	if err != nil {
		return err
	}
	if problem != nil {
		if _, isMarked := c.marked.Consumers[consumer]; problem.incomplete && !isMarked && !fileIs(state) {
			c.remakeMeta(dir)
			return nil
		}
		c.errs = append(c.errs, fmt.Errorf("%s: %w, and without it the lease and what was delivered of stream %s are not known: "+
			"restore it from a backup, or move %s away: tasks that are held are delivered again then, and the lease is as in the Options",
			problem.path, problem.what, c.name, dir))
		return nil
	}
	var config server.FileConsumerInfo
	if err := json.Unmarshal(meta, &config); err != nil {
		return fmt.Errorf("%s: %w", filepath.Join(dir, metaFile), err)
	}
	if !c.ours() || c.config.Retention != server.WorkQueuePolicy {
		return nil
	}
	buf, err := os.ReadFile(state)
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		return err
	}
	sum, known := c.marks.States[relative(c.root, state)]
	ok := !c.marks.Closed || !known || sum == sha256Of(buf)
	if ok && config.AckPolicy == server.AckExplicit {
		if ok, err = c.believable(ctx, buf); err != nil {
			return err
		}
	}
	if !ok {
		c.heals = append(c.heals, state)
	}
	return nil
}

// believable reports whether the state of a consumer skips no task that waits. A task that was
// acknowledged by that state is no longer in the queue; or, if a server has died, the task has a
// result.
func (c *streamCheck) believable(ctx context.Context, buf []byte) (bool, error) {
	state, ok := parseConsumerState(buf, time.Now())
	if !ok || state.delivered.stream > c.msgs.last {
		return false, nil
	}
	acked := state.acknowledged(c.msgs.live)
	if len(acked) == 0 {
		return true, nil
	}
	name := strings.TrimSuffix(c.name, "_tasks") + "_results"
	results := streamDir{c.account, name, filepath.Join(filepath.Dir(c.dir), name)}
	done, err := readMessages(ctx, results, c.unsynced, true)
	if err != nil {
		return false, err
	}
	return !slices.ContainsFunc(acked, func(id uint64) bool { return !done.ids[id] }), nil
}
