//go:build !unix

package main

import (
	"fmt"
	"runtime"
	"time"
)

func cpuTime() (time.Duration, error) {
	return 0, fmt.Errorf("the processor time of a process cannot be read on %s: leave Idle out with -only", runtime.GOOS)
}
