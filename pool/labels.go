package pool

import (
	"context"
	"runtime/pprof"
)

// clearLabels takes the pprof labels off the goroutine that calls it. A goroutine inherits those of the one
// that starts it, which here is a submitter, or a worker in the middle of a task; and a task may leave
// some behind. Nothing cheaper says whether there are any: to set them is to store one pointer.
func clearLabels() { pprof.SetGoroutineLabels(context.Background()) }
