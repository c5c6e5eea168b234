package bolt

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/pool"
)

// TestMemoryOfLargeResults writes 100 MB through a pool, in a process of its own, whose memory
// then has not grown with that: neither what gathers nor the file's map.
func TestMemoryOfLargeResults(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("SKIPPED: only Linux says what memory a process has had")
	}
	const most = 200 << 10 // kB; 90 MB are used, and 480 if results gather by number
	out, err := child("large", newPath(t)).Output()
	require.NoError(t, err)
	var used int
	_, err = fmt.Sscan(string(out), &used)
	require.NoError(t, err)
	t.Logf("%d MB", used>>10)
	assert.Less(t, used, most)
}

// runLarge prints the most memory that this process has had, in kB: its own and what it has
// mapped.
func runLarge(args []string) {
	ctx := context.Background()
	st, err := Open[[]byte](args[0], nil)
	must(err)
	blob := func(_ context.Context, i int) ([]byte, error) { return bytes.Repeat([]byte{byte(i)}, 256<<10), nil }
	p, err := pool.New(ctx, blob, st, &pool.Options{Workers: 2})
	must(err)
	_, err = p.SubmitAll(ctx, make([]int, 400))
	must(err)
	must(p.Stop(ctx))
	must(st.Close())
	status, err := os.ReadFile("/proc/self/status")
	must(err)
	_, peak, _ := strings.Cut(string(status), "VmHWM:")
	fmt.Println(strings.Fields(peak)[0])
}
