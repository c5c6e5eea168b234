// Command rates measures pools on an embedded server: tasks a second from SubmitAll until all results are
// saved and acknowledged, from many goroutines that submit one by one, the time from Submit to Get when there is
// nothing else to do, how long two machines need for slow tasks, and the time of a sync, alone.
//
//	go run ./internal/rates            with a sync for each message
//	go run ./internal/rates -unsynced
//	go run ./internal/rates -run 64    64 tasks in each message, if there are so many
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/resultpool/resultpool/engine/jetstream"
	"github.com/resultpool/resultpool/engine/jetstream/embedded"
	"github.com/resultpool/resultpool/pool"
)

var (
	unsynced = flag.Bool("unsynced", false, "do not sync")
	run      = flag.Int("run", 0, "tasks in a message (0: the library chooses)")
	most     = flag.Int("n", 200_000, "tasks of one SubmitAll")
	singles  = flag.Int("singles", 20_000, "tasks that are submitted one by one")
	only     = flag.String("only", "", "one of: all, one, idle, slow")
)

func main() {
	flag.Parse()
	fmt.Printf("a sync of 200 bytes, alone: %v\n", syncTime())
	is := func(what string) bool { return *only == "" || *only == what }
	if is("all") {
		measure("SubmitAll", func(p *pool.Pool[int, int]) int {
			check(p.SubmitAll(context.Background(), make([]int, *most)))
			return *most
		})
	}
	if is("one") {
		for _, n := range []int{1, 8, 64, 256} {
			measure(fmt.Sprintf("Submit, %d goroutines", n), func(p *pool.Pool[int, int]) int {
				each := max(1, min(*singles, 1000*n)/n)
				var wg sync.WaitGroup
				for range n {
					wg.Go(func() {
						for i := range each {
							check(p.Submit(context.Background(), i))
						}
					})
				}
				wg.Wait()
				return n * each
			})
		}
	}
	if is("idle") {
		idle()
	}
	if is("slow") {
		slow()
	}
}

func check[T any](v T, err error) T {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return v
}

// open returns a server with a pool, on a directory.
func open() (eng *embedded.Engine, dir string, remove func()) {
	dir = check(os.MkdirTemp("", "rates"))
	eng = check(embedded.Open(context.Background(), dir, "x", options()))
	return eng, dir, func() {
		_ = eng.Close()
		_ = os.RemoveAll(dir)
	}
}

func options() *embedded.Options {
	return &embedded.Options{ServerOptions: embedded.ServerOptions{LosesOnPowerCut: *unsynced}, Run: *run}
}

func joining() *jetstream.Options { return &jetstream.Options{Run: *run} }

func measure(what string, f func(p *pool.Pool[int, int]) int) {
	var rates []float64
	for range 3 {
		eng, _, remove := open()
		p := check(pool.Join(context.Background(), func(_ context.Context, n int) (int, error) { return n, nil }, eng, &pool.Options{Workers: 2}))
		begun := time.Now()
		n := f(p)
		check(0, p.Wait(context.Background()))
		rates = append(rates, float64(n)/time.Since(begun).Seconds())
		check(0, p.Stop(context.Background()))
		remove()
	}
	slices.Sort(rates)
	fmt.Printf("%-24s %8.0f tasks/s (%.0f to %.0f)\n", what, rates[1], rates[0], rates[2])
}

func idle() {
	eng, _, remove := open()
	defer remove()
	p := check(pool.Join(context.Background(), func(_ context.Context, n int) (int, error) { return n, nil }, eng, &pool.Options{Workers: 2}))
	var all []time.Duration
	for i := range 1000 {
		begun := time.Now()
		id := check(p.Submit(context.Background(), i))
		check(p.Get(context.Background(), id))
		all = append(all, time.Since(begun))
	}
	slices.Sort(all)
	fmt.Printf("%-24s %v, p99 %v\n", "Submit to Get, idle", all[500], all[990])
	check(0, p.Stop(context.Background()))
}

// slow has two pools with a connection each share 256 tasks of 50 ms.
func slow() {
	var all []time.Duration
	var shares []uint64
	for range 3 {
		eng, dir, remove := open()
		other := check(jetstream.OpenFolder(context.Background(), dir, "x", joining()))
		fn := func(_ context.Context, n int) (int, error) { time.Sleep(50 * time.Millisecond); return n, nil }
		p := check(pool.Join(context.Background(), fn, eng, &pool.Options{Workers: 16}))
		q := check(pool.Join(context.Background(), fn, other, &pool.Options{Workers: 16}))
		begun := time.Now()
		check(p.SubmitAll(context.Background(), make([]int, 256)))
		check(0, p.Wait(context.Background()))
		all = append(all, time.Since(begun))
		shares = append(shares, p.Stats().Succeeded)
		check(0, p.Stop(context.Background()))
		check(0, q.Stop(context.Background()))
		_ = other.Close()
		remove()
	}
	slices.Sort(all)
	fmt.Printf("%-24s %v (%v to %v); one of the two ran %d\n", "256 tasks of 50 ms", all[1], all[0], all[2], shares)
}

// syncTime is the median time of a write and a sync of 200 bytes.
func syncTime() time.Duration {
	f := check(os.CreateTemp("", "sync"))
	defer os.Remove(f.Name())
	var all []time.Duration
	for range 200 {
		begun := time.Now()
		check(f.Write(make([]byte, 200)))
		check(0, f.Sync())
		all = append(all, time.Since(begun))
	}
	slices.Sort(all)
	return all[100]
}
