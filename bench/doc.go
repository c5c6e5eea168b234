// Package bench measures the stores of this module side by side, bare and
// through a pool. It has benchmarks only:
//
//	go test -bench . ./bench
//
// To compare, run one number of operations several times, and have benchstat
// (golang.org/x/perf/cmd/benchstat) make a column of each store:
//
//	go test -run=NONE -bench . -benchtime=1000000x -count=6 ./bench > new.txt
//	benchstat -col /store new.txt
//
// A part of a name selects: the left side of the mixes, or one store of one
// benchmark. The last command measures nothing, but finds races.
//
//	go test -run=NONE -bench Store/mix=100:0 ./bench
//	go test -run=NONE -bench Pool/submit=one/read=none/store=dense ./bench
//	go test -run=NONE -bench . -benchtime=1x -race ./bench
//
// Program [github.com/resultpool/resultpool/bench/choose] measures your own mix of calls on the
// stores and says which is best for it; docs/choosing-a-store.md is written by it:
//
//	go run ./bench/choose
//
// # What is measured
//
// BenchmarkStore/mix=PUTS:GETS/held=N/store=…: one Put or Get, in these
// percentages, while a store doubles, by as many goroutines as there are
// processors (see -cpu). All together are three doublings: from N results, and from
// a third and two thirds of a doubling more. B/put is what was allocated for each
// Put, growth included. IDs are put in the order in which a pool gives them out,
// each goroutine taking the next one, which costs what counter=atomic says. IDs
// to get are drawn evenly from all, so that most are in no cache once the store
// is large; a program that gets what it has just put is faster. That the right
// result comes back is checked. (BenchmarkStore in each store's package, which is
// storetest.RunBenchmarks, hands out IDs in blocks, and so leaves the counter out.)
//
// BenchmarkGrowth/writers=…/store=…: the longest Put while a store grows from a
// million results to four, and its share of the time that all of them take.
// See below.
//
// BenchmarkPool/submit=…/read=…/store=…: one task that does nothing, from one
// submitter through two workers into the store, with New and Stop. submit=one is
// Submit; submit=all is SubmitAll of 256 tasks. With read=get the submitter
// also gets each result, 1,024 tasks later, when most are there.
//
// BenchmarkResults/read=…: the same tasks from one SubmitAll into dense, with all of
// their results read: by Results when the pool has stopped, by GetAll, or by a loop
// over Finished beside the submitter.
//
// BenchmarkStall/held=N/store=…: what a copy of all results (store.Snapshot)
// does to one that writes meanwhile. See below.
//
// BenchmarkCounter/counter=atomic: taking the next of a row of numbers, by as
// many goroutines as there are processors.
//
// # How it is measured
//
// A store grows with the number of operations, and in a second a fast one would
// get further than a slow one. So BenchmarkStore and BenchmarkGrowth do a fixed
// number of Puts, once, whatever b.N; and all mixes do the same number, from the
// same size to twice it, so that no growth of a table falls into one and not into
// another. BenchmarkPool is to be compared at a fixed number, here a million. With
// fewer operations stores are smaller, and held in caches.
//
// The collector runs as it does in a program, and is charged to whoever
// allocates. B/op and B/put are what was allocated, not what is kept: a map that grows
// leaves its old tables behind.
//
// # The longest Put
//
// BenchmarkGrowth reads the clock after each Put. max-put-ms is the longest of any
// writer, and max-put-% its share of the whole run's time. The collector is on, as
// in a program: the maps have it look at millions of entries, and it has their
// writers help, for tens of milliseconds at a time. What remains with GOGC=off is the
// store's own, or the operating system's: with as many writers as processors a
// writer that loses its turn waits for some milliseconds.
//
// # The longest stall
//
// BenchmarkStall does not use b.N, and its ns/op is not shown. One goroutine
// puts a result and deletes it again, without a pause, so that the store keeps
// its size and no stall is one of growing; another copies all, several times.
// For each copy the longest Put or Delete is found:
//
//   - max-stall-ns is the least of these, over the copies;
//   - copy-ns is how long the median copy took.
//
// The least of the longest, because a stall that is the store's own is there in
// every copy, while the operating system, which takes the processor away for
// milliseconds now and then, spares some. The collector is off during a copy: it
// has the writer assist it, whatever the store, for longer than most stalls last.
// So the figure is what the store adds to that, and not the longest pause that a
// program will see. What lies under a tenth of a millisecond is not the store's
// either, on most machines: page faults and interrupts take as long. A figure of
// a whole time slice, about 4 ms on many machines, says that something else was
// running, or that a writer which slept on a lock was not given a processor at
// once when it woke: so the more often a copy has its writers sleep, the more
// likely is one long stall.
//
// store=naive-rlock is the obvious copy, a map under a sync.RWMutex that is
// copied under one read lock. It is what the others are to be held against.
//
// # Reading the figures
//
// Compare columns, not runs of different machines or days. With a spread of more
// than some ten percent, find out what else runs before believing the median.
// Two goroutines on two processors, as most small machines have, show little of
// what a lock costs among thirty-two: run with -cpu=1,2,8,32 on the machine that
// you are deciding for.
//
// With -short stores hold a tenth of the results, and under -race a hundredth.
package bench
