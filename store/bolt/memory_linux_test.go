package bolt_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store/bolt"
)

// TestMemoryOfLargeResults writes 100 MB through a pool, in a process of its own, whose memory
// then has not grown with that: neither what gathers nor the file's map.
func TestMemoryOfLargeResults(t *testing.T) {
	const size, count, most = 256 << 10, 400, 200 << 20 // 90 MB are used, and 480 if results gather by number
	if path := os.Getenv("BOLT_MEMORY"); path != "" {
		st, err := bolt.Open[[]byte](path, nil)
		require.NoError(t, err)
		blob := func(_ context.Context, i int) ([]byte, error) { return bytes.Repeat([]byte{byte(i)}, size), nil }
		p, err := pool.New(t.Context(), blob, st, &pool.Options{Workers: 2})
		require.NoError(t, err)
		_, err = p.SubmitAll(t.Context(), make([]int, count))
		require.NoError(t, err)
		require.NoError(t, p.Stop(t.Context()))
		require.NoError(t, st.Close())
		fmt.Println("peak:", peak(t))
		return
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestMemoryOfLargeResults$")
	cmd.Env = append(os.Environ(), "BOLT_MEMORY="+t.TempDir()+"/results.db")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	_, after, found := strings.Cut(string(out), "peak: ")
	require.True(t, found, "%s", out)
	text, _, _ := strings.Cut(after, "\n")
	used, err := strconv.Atoi(text)
	require.NoError(t, err)
	t.Logf("%d MB", used>>20)
	assert.Less(t, used, most)
}

// peak returns the most memory that this process has had, in bytes: its own and what it has
// mapped.
func peak(t *testing.T) int {
	file, err := os.Open("/proc/self/status")
	require.NoError(t, err)
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if kB, ok := strings.CutPrefix(lines.Text(), "VmHWM:"); ok {
			n, err := strconv.Atoi(strings.Fields(kB)[0])
			require.NoError(t, err)
			return n << 10
		}
	}
	require.Fail(t, "no VmHWM")
	return 0
}
