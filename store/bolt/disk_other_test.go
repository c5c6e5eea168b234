//go:build !linux

package bolt_test

func fileSystem(string) string { return "not asked" }

func bytesWritten() (n int64, ok bool) { return 0, false }
