package outage

import (
	"context"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A powerCut is a site with an embedded server on a disk of its own.
type powerCut struct {
	*site
	disk       *disk
	server     *process
	submitters []*process
}

func newPowerCut(t *testing.T, noSync bool) *powerCut {
	t.Helper()
	c := &powerCut{disk: newDisk(t)}
	c.site = newSite(t, 2*time.Second)
	c.server = c.embeddedOn(filepath.Join(c.disk.room, "server"), noSync)
	for range 2 {
		c.worker("worker", 4)
	}
	many := part{First: 1, Count: 1 << 20, Callers: 4, Cost: time.Millisecond, Pause: 10 * time.Millisecond}
	c.submitters = append(c.submitters, c.submitter("submitter", many))
	many.First += many.Count
	many.Batch = 10
	c.submitters = append(c.submitters, c.submitter("submitter", many))
	return c
}

// cut cuts the power some time after n more tasks were accepted, and starts the server
// again on what is left.
func (c *powerCut) cut(n int, most time.Duration) {
	c.t.Helper()
	c.awaitMore("tasks are accepted", n, func() int { return len(c.given) })
	time.Sleep(time.Duration(rand.Int64N(int64(most)))) // any moment will do
	c.disk.cut(c.server)
	c.startAgain()
}

func (c *powerCut) startAgain() {
	c.t.Helper()
	c.server.part.Dir = filepath.Join(c.disk.room, "server")
	c.server = c.again(c.server)
	c.server.awaitReady()
}

// TestPowerCut cuts the power of the machine with the embedded server, several times, while
// others submit to it and work for it. Nothing that was acknowledged is lost, no ID is
// given out again, and the others go on.
func TestPowerCut(t *testing.T) {
	t.Parallel()
	c := newPowerCut(t, false)
	c.cut(1, 5*time.Millisecond) // when hardly anything has been written
	for range 4 {
		c.cut(100, time.Second)
	}
	for _, sub := range c.submitters {
		sub.signal(syscall.SIGTERM)
		sub.awaitDone()
	}
	c.check()
}

// TestPowerCutWithoutSync shows that the test above can fail: without syncing, what was
// acknowledged is lost.
func TestPowerCutWithoutSync(t *testing.T) {
	t.Parallel()
	c := newPowerCut(t, true)
	c.awaitMore("tasks are accepted", 1000, func() int { return len(c.given) })
	clients := slices.Concat(c.submitters, c.workers)
	c.disk.cut(c.server)
	for _, client := range clients {
		client.kill() // they would only find that there is no queue any more
	}
	c.startAgain()

	// Whatever is left in the queue is done.
	c.worker("worker", 4)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	reader, _ := c.join()
	require.NoError(t, reader.Wait(ctx))
	results, err := reader.Results(ctx)
	require.NoError(t, err)
	lost := 0
	for id := range c.ids {
		if _, ok := results[id]; !ok {
			lost++
		}
	}
	c.log("of %d accepted tasks %d are lost", len(c.ids), lost)
	assert.NotZero(t, lost, "nothing that was acknowledged is lost, although nothing was synced")
}
