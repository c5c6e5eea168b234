package embedded

import (
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/stretchr/testify/assert"
)

// TestLostFile has files of a stream vanish, for reasons and for none.
func TestLostFile(t *testing.T) {
	now, hour := time.Now().Unix(), int64(3600)
	marked := func(oldest int64) mark {
		return mark{Last: 400, Msgs: 250, Oldest: oldest, Full: map[int]int64{1: now - 3*hour, 2: now - hour}, Newest: 3, Size: 1000}
	}
	seqs := func(from, to uint64) (all []uint64) {
		for seq := from; seq <= to; seq++ {
			all = append(all, seq)
		}
		return all
	}
	tombs := func(n uint64, block, at int) (all []removal) {
		for seq := range n {
			all = append(all, removal{seq + 1, block, at})
		}
		return all
	}
	limits := server.FileStreamInfo{StreamConfig: server.StreamConfig{MaxAge: 2 * time.Hour}}
	for what, test := range map[string]struct {
		live    []uint64
		removed []removal
		sizes   map[int]int64
		mark    mark
		config  server.FileStreamInfo
		block   int
	}{
		"all there":          {live: seqs(151, 450), sizes: map[int]int64{1: 9, 2: 9, 3: 2000}, mark: marked(now)},
		"gone":               {live: seqs(201, 450), sizes: map[int]int64{2: 9, 3: 2000}, mark: marked(now), block: 1},
		"empty":              {live: seqs(201, 450), sizes: map[int]int64{1: 0, 2: 9, 3: 2000}, mark: marked(now), block: 1},
		"the last of it":     {live: seqs(152, 450), sizes: map[int]int64{2: 9, 3: 2000}, mark: marked(now)},
		"removed":            {live: seqs(201, 450), removed: tombs(49, 3, 1000), sizes: map[int]int64{2: 9, 3: 2000}, mark: marked(now)},
		"removed elsewhere":  {live: seqs(201, 450), removed: tombs(49, 4, 0), sizes: map[int]int64{2: 9, 3: 2000, 4: 2000}, mark: marked(now)},
		"one is not removed": {live: seqs(201, 450), removed: tombs(48, 3, 1000), sizes: map[int]int64{2: 9, 3: 2000}, mark: marked(now), block: 1},
		"removed before":     {live: seqs(201, 450), removed: tombs(49, 3, 999), sizes: map[int]int64{2: 9, 3: 2000}, mark: marked(now), block: 1},
		"expired":            {live: seqs(301, 450), sizes: map[int]int64{2: 9, 3: 2000}, mark: marked(now - 3*hour), config: limits},
		"not expired":        {live: seqs(301, 450), sizes: map[int]int64{1: 9, 3: 2000}, mark: marked(now - 3*hour), config: limits, block: 2},
		"starts":             {live: seqs(301, 450), sizes: map[int]int64{3: 2000}, mark: marked(now), config: server.FileStreamInfo{StreamConfig: server.StreamConfig{MaxMsgsPer: 1}}},
		"no marks":           {live: seqs(301, 450), sizes: map[int]int64{3: 2000}},
	} {
		msgs := &messages{live: test.live, removed: test.removed, sizes: test.sizes, blocks: []int{3}}
		if len(test.sizes) == 3 && test.sizes[4] > 0 {
			msgs.blocks = []int{3, 4}
		}
		block, err := lostFile(msgs, test.mark, test.config)
		assert.Equal(t, test.block, block, what)
		assert.Equal(t, test.block != 0, err != nil, what)
	}
}
