package main

// A project is a module whose packages are to be mutated.
type project struct {
	dir     string // a folder from which go finds the module; "" is the present one
	module  string
	targets []target
	yield   []string            // folders whose atomics and mutexes yield in the last stage
	hand    []string            // those of them whose tests hand atomics to the code
	extra   map[string][]string // flags of the tests in a folder, in the stages that cost most
	blind   []string            // tests that do not test what is mutated, whatever they reach
}

// A target is a package to be mutated, and the tests that are to notice.
type target struct {
	dir   string
	tests []string // folders of packages with tests, its own first
	races string   // a pattern of the tests that also run with yields, or ""

	sleeps string // a pattern of those that run with sleeps in the place of yields, many times, or ""
}

// ours is this module.
func ours() project {
	const races = "Race|Stress$|NoLostWakeUp|Rendezvous|TrySubmit|KeepsNothing|StatsAddUp|NeverMore|" +
		"Submit|Resize|Stop|Cancel|GetGivesUp|MapEachOnce|MapNoHead"
	return project{
		module: "github.com/resultpool/resultpool",
		targets: []target{
			{dir: "internal/queue", tests: []string{"internal/queue", "pool"}, races: "QueueConcurrent|QueueMark|QueueIsReady|NeverFails|PopSees|DropRaces|" + races},
			{dir: "store", tests: []string{"store"}},
			{dir: "store/codec", tests: []string{"store/codec"}},
			{dir: "store/rwmutex", tests: []string{"store/rwmutex"}},
			{dir: "store/syncmap", tests: []string{"store/syncmap"}},
			{dir: "store/xsync", tests: []string{"store/xsync"}},
			{dir: "store/dense", tests: []string{"store/dense"}, races: "Linearizable|FindWhile|NoSegment|Rivals|Retirement|PutMeets|AllIs|Rival"},
			{dir: "pool", tests: []string{"pool"}, races: races, sleeps: "TrySubmitFindsRoom"},
		},
		yield: []string{"internal/queue", "pool", "store/dense"},
		hand:  []string{"internal/queue"},
		extra: map[string][]string{"pool": {"-stress.rounds=15"}},
		blind: []string{"TestSuiteRejectsNaive"},
	}
}
