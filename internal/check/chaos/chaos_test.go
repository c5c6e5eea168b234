package chaos_test

import (
	"bufio"
	"flag"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/internal/check/chaos"
)

var (
	seedFlag = flag.Uint64("chaos.seed", 0, "play the round of this seed, and no other, -chaos.times times")
	forFlag  = flag.Duration("chaos.for", 2*time.Second, "how long TestChaos looks for faults")
	times    = flag.Int("chaos.times", 50, "how often a seed is played again: the scheduling is never the same")
)

// TestChaos plays random rounds for -chaos.for and says how many it has played. The
// seed of a round that fails goes into testdata/seeds.txt.
func TestChaos(t *testing.T) {
	if *seedFlag != 0 {
		replay(t, *seedFlag)
		return
	}
	for range 2 { // what one pool leaves behind must not hurt the next
		start := time.Now()
		rounds, err := playAll(t, func() (uint64, bool) {
			return rand.Uint64() | 1, time.Since(start) < *forFlag/2
		}, chaos.Real)
		require.NoError(t, err)
		require.NotZero(t, rounds)
		took := time.Since(start)
		t.Logf("%d pools in %v: %.0f a minute", rounds, took.Round(time.Millisecond), float64(rounds)/took.Minutes())
	}
}

// TestChaosCorpus plays the rounds again that have once found something.
func TestChaosCorpus(t *testing.T) {
	file, err := os.Open("testdata/seeds.txt")
	require.NoError(t, err)
	defer file.Close()
	n := 0
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		word, why, _ := strings.Cut(strings.TrimSpace(lines.Text()), " ")
		if word == "" || word[0] == '#' {
			continue
		}
		seed, err := strconv.ParseUint(word, 10, 64)
		require.NoError(t, err, lines.Text())
		require.NotEmpty(t, strings.TrimSpace(why), "seed %d: why is it here?", seed)
		n++
		t.Run(word, func(t *testing.T) { replay(t, seed) })
	}
	require.NoError(t, lines.Err())
	require.NotZero(t, n)
}

// replay plays one round many times, as many as there is time for if it is large.
func replay(t *testing.T, seed uint64) {
	start := time.Now()
	n := 1 // at once: one, to see how long it takes, and then more
	for left := *times; left > 0 && (*seedFlag != 0 || time.Since(start) < time.Second/4); left -= n {
		require.NoError(t, playBatch(t, slices.Repeat([]uint64{seed}, min(left, n)), chaos.Real))
		if time.Since(start) < time.Second/20 {
			n = lanes
		}
	}
}
