package storetest_test

import "testing"

// TestConformance runs what the example shows. It has a file of its own because
// the documentation shows a file as one example only if there is no test in it.
func TestConformance(t *testing.T) { testConformance(t) }

func BenchmarkStore(b *testing.B) { benchmarkStore(b) }
