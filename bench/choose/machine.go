package main

import (
	"fmt"
	"os"
	"regexp"
	"runtime"
)

// machine is what there is to know of the machine, in a line.
func machine() string {
	return fmt.Sprintf("%s, %d cores, %s, %s/%s", processor(), runtime.NumCPU(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
}

// processor is the name of the processor, as far as the system says it in a file.
func processor() string {
	text, err := os.ReadFile("/proc/cpuinfo")
	m := regexp.MustCompile(`(?m)^model name\s*: (.*)$`).FindSubmatch(text)
	if err != nil || m == nil {
		return "processor unknown"
	}
	return string(m[1])
}
