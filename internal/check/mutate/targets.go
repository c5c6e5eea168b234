package main

// A target is a package to be mutated, and the tests that are to notice.
type target struct {
	dir   string
	tests []string // folders of packages with tests, its own first
	slow  string   // the tests that also run with yields, or ""
}

// targets are this module's.
func targets() []target {
	const races = "Race|Stress$|NoLostWakeUp|Rendezvous|TrySubmit|KeepsNothing|StatsAddUp|NeverMore|Submit|Resize|Stop|Cancel|GetGivesUp|MapEachOnce|MapNoHead"
	return []target{
		{"internal/queue", []string{"internal/queue", "pool"}, "Queue|" + races},
		{"store", []string{"store"}, ""},
		{"store/rwmutex", []string{"store/rwmutex"}, ""},
		{"store/syncmap", []string{"store/syncmap"}, ""},
		{"store/xsync", []string{"store/xsync"}, ""},
		{"store/dense", []string{"store/dense"}, "Test"},
		{"pool", []string{"pool"}, races},
	}
}

// yieldingDirs are the folders whose atomics and mutexes yield in the last stage.
func yieldingDirs() []string { return []string{"internal/queue", "pool", "store/dense"} }

// extraArgs are flags of a package's tests, in the stages that cost most.
func extraArgs(dir string) []string {
	if dir == "pool" {
		return []string{"-stress.rounds=15"}
	}
	return nil
}

// blind are tests that do not test the code that is mutated, whatever they reach.
func blind(name string) bool { return name == "TestSuiteRejectsNaive" }
