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

// checkConsumers returns the damaged consumers. What they remember may be forgotten, but not
// how they are configured.
func (f *inspection) checkConsumers(ctx context.Context, st streamDir, config server.FileStreamInfo, msgs *messages, marked mark) (damages []error, err error) {
	consumers, err := st.consumers()
	if err != nil {
		return nil, err
	}
	for _, consumer := range consumers {
		dir := st.consumerDir(consumer)
		state := filepath.Join(dir, stateFile)
		meta, problem, err := readMeta(dir, st.name+"/"+consumer)
		if err != nil {
			return damages, err
		}
		if problem != nil {
			_, isMarked := marked.Consumers[consumer]
			if problem.incomplete && !isMarked && !fileIs(state) {
				if path := filepath.Join(dir, metaFile); fileIs(path) {
					f.heals = append(f.heals, path)
				}
				continue
			}
			damages = append(damages, fmt.Errorf("%s: %w, and without it the lease and what was delivered of stream %s are not known: "+
				"restore it from a backup, or move %s away: tasks that are held are delivered again then, and the lease is as in the Options",
				problem.path, problem.what, st.name, dir))
			continue
		}
		var cc server.FileConsumerInfo
		if err := json.Unmarshal(meta, &cc); err != nil {
			return damages, fmt.Errorf("%s: %w", filepath.Join(dir, metaFile), err)
		}
		if !st.ours() || config.Retention != server.WorkQueuePolicy {
			continue
		}
		buf, err := os.ReadFile(state)
		if os.IsNotExist(err) {
			continue
		}
		if err != nil {
			return damages, err
		}
		sum, known := f.marks.States[relative(f.dir, state)]
		ok := !f.marks.Closed || !known || sum == sha256Of(buf)
		if ok && cc.AckPolicy == server.AckExplicit {
			ok, err = f.believable(ctx, st, buf, msgs)
			if err != nil {
				return damages, err
			}
		}
		if !ok {
			f.heals = append(f.heals, state)
		}
	}
	return damages, nil
}

// believable reports whether a consumer's state passes over no task that waits. A task that
// it says is acknowledged is in the queue no more, or, if a server has died, it has a result.
func (f *inspection) believable(ctx context.Context, st streamDir, buf []byte, msgs *messages) (bool, error) {
	state, ok := parseConsumerState(buf, time.Now())
	if !ok || state.delivered.stream > msgs.last {
		return false, nil
	}
	acked := state.acknowledged(msgs.live)
	if len(acked) == 0 {
		return true, nil
	}
	name := strings.TrimSuffix(st.name, "_tasks") + "_results"
	done, err := readMessages(ctx, streamDir{st.account, name, filepath.Join(filepath.Dir(st.dir), name)}, f.unsynced, true)
	if err != nil {
		return false, err
	}
	return !slices.ContainsFunc(acked, func(id uint64) bool { return !done.ids[id] }), nil
}
