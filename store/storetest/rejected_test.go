package storetest

import (
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// TestRunRejectsBrokenStores has every broken store go through all that Run does,
// each in a process of its own, as its author would see it: Run must end, and the
// check that is there to find the fault must have failed. (Only those that evict go
// through no-eviction, which takes as long as all the rest.)
//
// With -short or -race each process runs that check only. The race detector makes
// the whole kit ten times as slow, which is minutes for so many stores, and it has
// nothing to say: the faults are no data races.
func TestRunRejectsBrokenStores(t *testing.T) {
	whole := !testing.Short() && !raceDetector
	if !whole {
		t.Log("-short or -race: NOT THE WHOLE KIT; each broken store is tried by the one check that has to reject it")
	}
	tried := 0
	var rejected, checksFailed atomic.Int32
	var slowest atomic.Int64
	atOnce := make(chan struct{}, 2*runtime.GOMAXPROCS(0))
	var wg sync.WaitGroup
	for _, row := range brokenStores {
		if raceDetector && strings.HasSuffix(row.rejectedBy, "/no-eviction") {
			continue // a store that is slow holds less: TestChecksRejectBrokenStores takes all for fast
		}
		tried++
		wg.Go(func() {
			if !row.hangs { // else it sleeps most of the time
				atOnce <- struct{}{}
				defer func() { <-atOnce }()
			}
			start := time.Now()
			filter := "^TestChild$"
			if !whole {
				filter += "/^" + strings.ReplaceAll(row.rejectedBy, "/", "$/^") + "$"
			}
			var skip string
			if !strings.HasSuffix(row.rejectedBy, "/no-eviction") {
				skip = "^TestChild$/^clause=7$/^no-eviction$|^TestChild$/^BatchPutter$/^no-eviction$"
			}
			out, err := runChild(t, row.fault, filter, "-test.skip="+skip)
			for took := int64(time.Since(start)); ; {
				if most := slowest.Load(); took <= most || slowest.CompareAndSwap(most, took) {
					break
				}
			}

			var exit *exec.ExitError
			ok := assert.ErrorAs(t, err, &exit, "Run passes a store whose fault is: %s\n%s", row.fault, out) &&
				assert.Contains(t, out, "--- FAIL: TestChild/"+row.rejectedBy+" ", "fault: %s", row.fault) &&
				assert.Equal(t, row.hangs, strings.Contains(out, "not ended after"), "fault: %s\n%s", row.fault, out)
			for _, accident := range []string{"DATA RACE", "fatal error:", "panic: test timed out"} {
				ok = assert.NotContains(t, out, accident, "fault: %s", row.fault) && ok
			}
			if ok {
				rejected.Add(1)
			}
			checksFailed.Add(int32(strings.Count(out, "    --- FAIL: TestChild/")))
		})
	}
	wg.Wait()
	t.Logf("%d broken stores, %d rejected, by %d checks on average; the slowest took %v",
		tried, rejected.Load(), checksFailed.Load()/int32(tried),
		time.Duration(slowest.Load()).Round(10*time.Millisecond))
	assert.GreaterOrEqual(t, tried, 25)
}
