package embedded

import (
	"encoding/binary"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/engine"
)

// TestFormat reads what a server has written. If it fails after an update of nats-server, every
// folder would be refused.
func TestFormat(t *testing.T) {
	const n, held, saved = 60, 20, 15
	dir := t.TempDir()
	e, err := Open(t.Context(), dir, "x", &Options{Run: 1})
	require.NoError(t, err)
	defer func() { require.NoError(t, e.Close()) }()
	tasks := make([][]byte, n)
	for i := range tasks {
		tasks[i] = make([]byte, 1000*i)
	}
	ids, err := e.Push(t.Context(), "a", tasks)
	require.NoError(t, err)
	var ds []engine.Delivery
	for len(ds) < held {
		more, err := e.Pull(t.Context(), held-len(ds))
		require.NoError(t, err)
		ds = append(ds, more...)
	}
	var recs []engine.Record
	for _, d := range ds[:saved] {
		recs = append(recs, engine.Record{ID: d.ID, Data: d.Task})
	}
	require.NoError(t, e.Save(t.Context(), recs))
	require.NoError(t, e.Ack(t.Context(), ds[:saved]))
	require.NoError(t, e.Delete(t.Context(), []uint64{recs[0].ID}))
	// A moment later the server has written what was acknowledged.
	var state *consumerState
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		size, err := e.Size(t.Context())
		require.NoError(t, err)
		buf, _ := os.ReadFile(filepath.Join(dir, "jetstream", "$G", "streams", "resultpool_x_tasks", "obs", "workers", stateFile))
		var ok bool
		state, ok = parseConsumerState(buf, time.Now())
		if ok && size == n-saved && state.floor.consumer == saved && state.delivered.consumer == held {
			break
		}
		require.True(t, time.Now().Before(end), "%d tasks, state %+v", size, state)
	}

	seqs := make([]uint64, n)
	for i, id := range ids {
		seqs[i] = id >> 10
	}
	streams, err := streamsIn(dir)
	require.NoError(t, err)
	require.Len(t, streams, 3)
	states, err := streamStates(e.server.srv)
	require.NoError(t, err)
	for _, st := range streams {
		_, problem, err := readMeta(st.dir, st.name)
		require.NoError(t, err)
		assert.Nil(t, problem)
		msgs, err := readMessages(t.Context(), st, false, true)
		require.NoError(t, err)
		assert.Empty(t, msgs.damage)
		assert.Equal(t, states[st.key()].LastSeq, msgs.last)
		assert.Len(t, msgs.live, int(states[st.key()].Msgs))
		switch st.name {
		case "resultpool_x_tasks":
			assert.Equal(t, seqs[saved:], msgs.live)
			assert.Equal(t, pair{saved, seqs[saved-1]}, state.floor)
			assert.Equal(t, pair{held, seqs[held-1]}, state.delivered)
			assert.Len(t, state.pending, held-saved)
			assert.Empty(t, state.acknowledged(msgs.live))
			_, problem, err := readMeta(st.consumerDir("workers"), st.name+"/workers")
			require.NoError(t, err)
			assert.Nil(t, problem)
		case "resultpool_x_results":
			assert.ElementsMatch(t, seqs[:saved], slices.Collect(maps.Values(msgs.runs)))
		}
	}
}

// TestEveryBit flips each bit of a file of messages, and cuts the file off at each byte. A file
// that is cut off within a record looks like one that was being written.
func TestEveryBit(t *testing.T) {
	dir := t.TempDir()
	e, err := Open(t.Context(), dir, "x", &Options{ServerOptions: ServerOptions{LosesOnPowerCut: true}})
	require.NoError(t, err)
	require.NoError(t, e.Save(t.Context(), []engine.Record{{ID: 1 << 10, Data: []byte("one")}, {ID: 2 << 10, Data: make([]byte, 50)}, {ID: 3 << 10}}))
	require.NoError(t, e.Delete(t.Context(), []uint64{2 << 10}))
	require.NoError(t, e.Close())
	st := streamDir{name: "resultpool_x_results", dir: filepath.Join(dir, "jetstream", "$G", "streams", "resultpool_x_results")}
	blocks, err := blocksIn(filepath.Join(st.dir, "msgs"))
	require.NoError(t, err)
	require.Len(t, blocks, 1)
	buf, err := os.ReadFile(blockPath(filepath.Join(st.dir, "msgs"), blocks[0]))
	require.NoError(t, err)

	r := newRecords(fmt.Sprintf("%s-%d", st.name, blocks[0]), true)
	ends := []int{0}
	require.Equal(t, len(buf), r.each(buf, func(at int, rec record) { ends = append(ends, at+rec.size) }))
	require.Len(t, ends, 5)
	nothing := func(int, record) {}
	for bit := range 8 * len(buf) {
		wrong := slices.Clone(buf)
		wrong[bit/8] ^= 1 << (bit % 8)
		end := r.each(wrong, nothing)
		if assert.Less(t, end, len(wrong), "bit %d", bit) {
			assert.Contains(t, ends, end, "bit %d", bit)
			assert.False(t, r.torn(wrong[end:]), "bit %d", bit)
		}
	}
	for size := range buf {
		end := r.each(buf[:size], nothing)
		assert.Contains(t, ends, end)
		assert.True(t, end == size || r.torn(buf[end:size]), "cut off at %d", size)
		zeros := append(slices.Clone(buf[:size]), make([]byte, 100)...)
		assert.True(t, r.torn(zeros[r.each(zeros, nothing):]), "zeros from %d", size)
	}
}

// TestUnwrittenPage finds a page of zeros, which has never come to the disk, but only in the
// record where reading ends.
func TestUnwrittenPage(t *testing.T) {
	buf := make([]byte, 4*page)
	for i := range buf {
		buf[i] = 1
	}
	record := func(at, size int) { binary.LittleEndian.PutUint32(buf[at:], uint32(size)) }
	record(100, 2*page)
	record(100+2*page, page)
	assert.False(t, unwritten(buf, 100))
	clear(buf[page : 2*page])
	assert.True(t, unwritten(buf, 100))
	assert.False(t, unwritten(buf, 100+2*page))
	clear(buf[100+2*page : 3*page])
	assert.True(t, unwritten(buf, 100+2*page))
}

// TestLostFile has files of a stream vanish: because their messages were removed or have expired,
// or for no reason. There were 250 messages up to 400, and now there are those from live to 450.
func TestLostFile(t *testing.T) {
	now, hour := time.Now().Unix(), int64(3600)
	expire := server.StreamConfig{MaxAge: 2 * time.Hour}
	for what, test := range map[string]struct {
		live   uint64
		tombs  removal // as many as its seq says
		sizes  map[int]int64
		config server.StreamConfig
		block  int
	}{
		"all there":          {live: 151, sizes: map[int]int64{1: 9, 2: 9}},
		"gone":               {live: 201, sizes: map[int]int64{2: 9}, block: 1},
		"empty":              {live: 201, sizes: map[int]int64{1: 0, 2: 9}, block: 1},
		"the last of it":     {live: 152, sizes: map[int]int64{2: 9}},
		"removed":            {live: 201, tombs: removal{49, 3, 1000}, sizes: map[int]int64{2: 9}},
		"removed elsewhere":  {live: 201, tombs: removal{49, 4, 0}, sizes: map[int]int64{2: 9, 4: 2000}},
		"one is not removed": {live: 201, tombs: removal{48, 3, 1000}, sizes: map[int]int64{2: 9}, block: 1},
		"removed before":     {live: 201, tombs: removal{49, 3, 999}, sizes: map[int]int64{2: 9}, block: 1},
		"expired":            {live: 301, sizes: map[int]int64{2: 9}, config: expire},
		"not expired":        {live: 301, sizes: map[int]int64{1: 9}, config: expire, block: 2},
		"starts":             {live: 301, config: server.StreamConfig{MaxMsgsPer: 1}},
	} {
		msgs := &messages{sizes: map[int]int64{3: 2000}}
		maps.Copy(msgs.sizes, test.sizes)
		for seq := test.live; seq <= 450; seq++ {
			msgs.live = append(msgs.live, seq)
		}
		for seq := range test.tombs.seq {
			msgs.removed = append(msgs.removed, removal{seq + 1, test.tombs.block, test.tombs.at})
		}
		msgs.blocks = slices.Sorted(maps.Keys(msgs.sizes))
		marked := mark{Last: 400, Msgs: 250, Oldest: now - 3*hour, Full: map[int]int64{1: now - 3*hour, 2: now - hour}, Newest: 3, Size: 1000}
		block, err := lostFile(msgs, marked, server.FileStreamInfo{StreamConfig: test.config})
		assert.Equal(t, test.block, block, what)
		assert.Equal(t, test.block != 0, err != nil, what)
		block, err = lostFile(msgs, mark{}, server.FileStreamInfo{StreamConfig: test.config})
		assert.Zero(t, block, "%s, and there are no marks", what)
		assert.NoError(t, err)
	}
}
