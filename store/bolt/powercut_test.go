//go:build linux

package bolt

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/internal/disktest"
)

// The store is in a file on a disktest.Disk, whose power is cut in the middle of whatever was under
// way. Then the writer goes on with what is left.

// A setup is how the writer writes, and on what.
type setup struct {
	what   string // results, reads or files
	noSync bool   // Options.NoSync
	lies   bool   // the disk is not asked to flush, or only says that it has
}

// TestPowerCut: what TestKill says of a kill is true of a power cut. The power is cut six
// times, and each time the writer goes on with what is left.
func TestPowerCut(t *testing.T) {
	cuts := newCuts(t)
	for range 3 {
		// First when hardly anything has been written.
		for _, most := range []time.Duration{2 * time.Millisecond, 1500 * time.Millisecond} {
			found := cuts.cut(setup{what: "results"}, 0, most)
			require.Empty(t, found.problems)
		}
	}
	assert.NotZero(t, cuts.acked, "nothing was acknowledged")
}

// TestPowerCutNewFile: once Open has returned, a new file is there also after a power cut,
// and its results are.
func TestPowerCutNewFile(t *testing.T) { keeps(t, setup{what: "files"}, 3, 400*time.Millisecond) }

// TestPowerCutReader: nobody reads a result that the power cut then takes back, also not
// while its Put has not returned. (bbolt shows what it has written before it is on the
// disk.)
func TestPowerCutReader(t *testing.T) { keeps(t, setup{what: "reads"}, 8, 100*time.Millisecond) }

// keeps fails if anything is wrong after one of some power cuts, each of them on a new disk.
func keeps(t *testing.T, s setup, times int, most time.Duration) {
	t.Helper()
	acked := 0
	for range times {
		cuts := newCuts(t)
		found := cuts.cut(s, 0, most)
		require.Empty(t, found.problems)
		acked += cuts.acked
	}
	require.NotZero(t, acked, "nothing was acknowledged")
}

// These show that the tests above can fail: they do without syncing, and on a disk that
// does not keep its promises.

func TestPowerCutWithoutSync(t *testing.T)        { loses(t, setup{what: "results", noSync: true}) }
func TestPowerCutLyingDisk(t *testing.T)          { loses(t, setup{what: "results", lies: true}) }
func TestPowerCutNewFileWithoutSync(t *testing.T) { loses(t, setup{what: "files", noSync: true}) }
func TestPowerCutNewFileLyingDisk(t *testing.T)   { loses(t, setup{what: "files", lies: true}) }

// loses fails unless acknowledged results are lost in one of a few power cuts.
func loses(t *testing.T, s setup) {
	t.Helper()
	const tries = 5
	for range tries {
		found := newCuts(t).cut(s, 200*time.Millisecond, 700*time.Millisecond)
		if found.lost > 0 {
			return
		}
	}
	t.Errorf("nothing that was acknowledged was lost, in %d power cuts", tries)
}

// cuts is a disk whose power is cut, and what has been reported of what is on it.
type cuts struct {
	*ledger
	t    *testing.T
	rand *rand.Rand
	disk *disktest.Disk
}

func newCuts(t *testing.T) *cuts {
	t.Helper()
	if !*diskPowerCut {
		t.Skip("without -disk.powercut")
	}
	disktest.NeedLoop(t, "disk")
	seed := *diskSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("-disk.seed=%d", seed)
	return &cuts{newLedger(), t, rand.New(rand.NewPCG(seed, 0)), disktest.NewDisk(t, tempDir(t))}
}

// cut has a writer write for a while, between least and most, from its first report on,
// cuts the power, and looks at what is left. The next cut goes on with that.
func (c *cuts) cut(s setup, least, most time.Duration) *findings {
	t := c.t
	t.Helper()
	after := least + time.Duration(c.rand.Int64N(int64(most-least)))
	options := ""
	if s.lies {
		options = ",nobarrier"
	}
	in := func(room string) string {
		if s.what == "files" {
			return room
		}
		return filepath.Join(room, "results.db")
	}
	room, unmount := c.disk.MountCached(options)
	w := c.start(t, s.what, in(room), s.noSync)
	<-w.begun
	w.wait(t, after)

	c.disk.Cut(w.cmd.Process, func() { w.kill(t) }, unmount)

	room, unmount = c.disk.Mount()
	defer unmount()
	var found *findings
	if s.what == "files" {
		found = c.lookAtFiles(room)
	} else {
		found = c.look(t.Context(), in(room))
	}
	t.Logf("cut after %v and %d acknowledged results; lost: %d, problems: %d", after, c.acked, found.lost, len(found.problems))
	return found
}

// lookAtFiles looks at a folder of files that have one result each.
func (c *cuts) lookAtFiles(dir string) *findings {
	f := new(findings)
	for id, r := range c.known {
		path := crashFile(dir, id)
		_, err := os.Stat(path)
		var st *Store[crashValue]
		if err == nil {
			st, err = openCrash(path, Options{})
		}
		if err != nil {
			f.lost++
			f.problem("%v", err)
			continue
		}
		res, err := st.Get(c.t.Context(), id)
		switch {
		case err == nil && !isRight(res.Value, res.Err):
			f.problem("result %d is wrong: %+v", id, res)
		case err != nil && r.acked:
			f.lost++
			f.problem("result %d was acknowledged: %v", id, err)
		}
		if err := st.Close(); err != nil {
			f.problem("%v", err)
		}
	}
	return f
}
