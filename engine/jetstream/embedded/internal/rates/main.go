// Command rates measures pools on an embedded server: tasks a second from SubmitAll until all results are
// saved and acknowledged, from many goroutines that submit one by one, the time from Submit to Get when there is
// nothing else to do, how long two machines need for slow tasks, and the time of a sync, alone.
//
//	go run ./internal/rates            with a sync for each message
//	go run ./internal/rates -unsynced
//	go run ./internal/rates -run 64    64 tasks in each message, if there are so many
//	go run ./internal/rates -replicas  on three servers in this process, which keep three replicas
//	go run ./internal/rates -only memory -run 64
package main

import (
	"context"
	"flag"
	"fmt"
	"net"
	"net/url"
	"os"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/resultpool/resultpool/engine"
	"github.com/resultpool/resultpool/engine/jetstream"
	"github.com/resultpool/resultpool/engine/jetstream/embedded"
	"github.com/resultpool/resultpool/pool"
)

// settings are what the flags say.
type settings struct {
	unsynced, replicas bool
	run, most, singles int
}

func main() {
	var s settings
	flag.BoolVar(&s.unsynced, "unsynced", false, "do not sync")
	flag.BoolVar(&s.replicas, "replicas", false, "have three servers in this process, with three replicas")
	flag.IntVar(&s.run, "run", 0, "tasks in a message (0: the library chooses)")
	flag.IntVar(&s.most, "n", 200_000, "tasks of one SubmitAll")
	flag.IntVar(&s.singles, "singles", 20_000, "tasks that are submitted one by one")
	only := flag.String("only", "", "one of: all, one, idle, slow, memory")
	flag.Parse()
	fmt.Printf("a sync of 200 bytes, alone: %v\n", syncTime())
	is := func(what string) bool { return *only == "" || *only == what }
	if is("all") {
		s.measure("SubmitAll", func(p *pool.Pool[int, int]) int {
			check(p.SubmitAll(context.Background(), make([]int, s.most)))
			return s.most
		})
	}
	if is("one") {
		for _, n := range []int{1, 8, 64, 256} {
			s.measure(fmt.Sprintf("Submit, %d goroutines", n), func(p *pool.Pool[int, int]) int {
				each := max(1, min(s.singles, 1000*n)/n)
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
		s.idle()
	}
	if is("slow") && !s.replicas {
		s.slow()
	}
	if *only == "memory" {
		s.memory()
	}
}

func check[T any](v T, err error) T {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return v
}

// An opened pool is one on a server, or on three, of its own.
type opened struct {
	eng     engine.Engine
	dir     string
	servers []*server.Server
}

func (s settings) open() *opened {
	o := &opened{dir: check(os.MkdirTemp("", "rates"))}
	if !s.replicas {
		o.eng = check(embedded.Open(context.Background(), o.dir, "x", s.options()))
		return o
	}
	var ports []int
	var routes []*url.URL
	for range 3 {
		l := check(net.Listen("tcp", "127.0.0.1:0"))
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
		routes = append(routes, &url.URL{Scheme: "nats", Host: l.Addr().String()})
		check(0, l.Close())
	}
	for i, port := range ports {
		node := check(server.NewServer(&server.Options{
			ServerName: fmt.Sprint("s", i), Host: "127.0.0.1", Port: -1, NoSigs: true, NoLog: true,
			JetStream: true, StoreDir: fmt.Sprint(o.dir, "/", i), SyncAlways: !s.unsynced,
			Cluster: server.ClusterOpts{Name: "c", Host: "127.0.0.1", Port: port}, Routes: routes,
		}))
		node.Start()
		o.servers = append(o.servers, node)
	}
	for end := time.Now().Add(20 * time.Second); o.eng == nil; {
		time.Sleep(100 * time.Millisecond)
		eng, err := jetstream.Open(context.Background(), o.servers[0].ClientURL(), "x", s.joining())
		if err == nil {
			o.eng = eng
		} else if time.Now().After(end) {
			check(0, err)
		}
	}
	return o
}

func (o *opened) remove() {
	_ = o.eng.Close()
	for _, s := range o.servers {
		s.Shutdown()
		s.WaitForShutdown()
	}
	_ = os.RemoveAll(o.dir)
}

func (s settings) options() *embedded.Options {
	return &embedded.Options{ServerOptions: embedded.ServerOptions{LosesOnPowerCut: s.unsynced}, Run: s.run}
}

func (s settings) joining() *jetstream.Options {
	opts := &jetstream.Options{Run: s.run}
	if s.replicas {
		opts.Replicas = 3
	}
	return opts
}

func join(eng engine.Engine, workers int, fn func(context.Context, int) (int, error)) *pool.Pool[int, int] {
	return check(pool.Join(context.Background(), fn, eng, &pool.Options{Workers: workers}))
}

func same(_ context.Context, n int) (int, error) { return n, nil }

func (s settings) measure(what string, f func(p *pool.Pool[int, int]) int) {
	var rates []float64
	for range 3 {
		o := s.open()
		p := join(o.eng, 2, same)
		begun := time.Now()
		n := f(p)
		check(0, p.Wait(context.Background()))
		rates = append(rates, float64(n)/time.Since(begun).Seconds())
		check(0, p.Stop(context.Background()))
		o.remove()
	}
	slices.Sort(rates)
	fmt.Printf("%-24s %8.0f tasks/s (%.0f to %.0f)\n", what, rates[1], rates[0], rates[2])
}

func (s settings) idle() {
	o := s.open()
	defer o.remove()
	p := join(o.eng, 2, same)
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
func (s settings) slow() {
	var all []time.Duration
	var shares []uint64
	for range 3 {
		o := s.open()
		other := check(jetstream.OpenFolder(context.Background(), o.dir, "x", s.joining()))
		fn := func(_ context.Context, n int) (int, error) {
			time.Sleep(50 * time.Millisecond)
			return n, nil
		}
		p, q := join(o.eng, 16, fn), join(other, 16, fn)
		begun := time.Now()
		check(p.SubmitAll(context.Background(), make([]int, 256)))
		check(0, p.Wait(context.Background()))
		all = append(all, time.Since(begun))
		shares = append(shares, p.Stats().Succeeded)
		check(0, p.Stop(context.Background()))
		check(0, q.Stop(context.Background()))
		_ = other.Close()
		o.remove()
	}
	slices.Sort(all)
	fmt.Printf("%-24s %v (%v to %v); one of the two ran %d\n", "256 tasks of 50 ms", all[1], all[0], all[2], shares)
}

// memory has tasks wait, then run, and their results kept.
func (s settings) memory() {
	heap := func() float64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return float64(m.HeapAlloc)
	}
	o := s.open()
	defer o.remove()
	submitter := join(o.eng, 1, nil)
	before := heap()
	for range s.most / 1000 {
		check(submitter.SubmitAll(context.Background(), make([]int, 1000)))
	}
	fmt.Printf("%-24s %.0f bytes for each, client and server\n", "tasks that wait", (heap()-before)/float64(s.most))
	time.Sleep(16 * time.Second) // the servers forget the keys
	fmt.Printf("%-24s %.0f bytes for each\n", "after 16 s", (heap()-before)/float64(s.most))
	p := join(o.eng, 2, same)
	check(0, p.Wait(context.Background()))
	check(0, p.Stop(context.Background()))
	fmt.Printf("%-24s %.0f bytes for each\n", "results that are kept", (heap()-before)/float64(s.most))
}

// syncTime is the median time of a write and a sync of 200 bytes.
func syncTime() time.Duration {
	f := check(os.CreateTemp("", "sync"))
	defer func() { _ = os.Remove(f.Name()) }()
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
