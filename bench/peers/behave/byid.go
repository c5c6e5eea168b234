package behave

import (
	"context"

	pondpool "github.com/alitto/pond/v2"
	"github.com/riverqueue/river"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store/dense"
)

// Another goroutine asks for the result of the seventh task while the last one runs.
var byID = row{
	name:  "by-id",
	title: "the 7th of 10 results, asked for elsewhere",
	cells: map[string]program{
		ours:      byIDOurs,
		conc:      nil, // of Go that returns something, or of Wait for one task
		pond:      byIDPond,
		ants:      nil, // of Submit that returns something beside an error
		gammazero: nil, // of SubmitWait with a result, or of Submit that returns something
		errGroup:  nil, // of Go that returns something
		riverPool: byIDRiver,
		channel:   byIDChannel,
	},
}

// The last of ten tasks runs until the seventh is read.
const seventh, last = 6, 9

func waitIfLast(in int, read <-chan struct{}) int {
	if in == last {
		<-read
	}
	return 10 * in
}

// elsewhere has another goroutine read the seventh result, and says whether it is right.
func elsewhere(read chan<- struct{}, get func() int, yes string) string {
	answer := make(chan int)
	go func() {
		answer <- get()
		close(read)
	}()
	if <-answer != 10*seventh {
		return "no"
	}
	return yes
}

func byIDOurs(ctx context.Context) string {
	read := make(chan struct{})
	p := must(pool.New(ctx, func(_ context.Context, in int) (int, error) { return waitIfLast(in, read), nil },
		dense.New[int](), &pool.Options{Workers: 2}))
	ids := must(p.SubmitAll(ctx, inputs(10)))
	said := elsewhere(read, func() int { return must(p.Get(ctx, ids[seventh])) }, "yes")
	check(p.Stop(ctx))
	return said
}

func byIDPond(context.Context) string {
	read := make(chan struct{})
	p := pondpool.NewResultPool[int](2)
	var futures []pondpool.ResultTask[int]
	for in := range 10 {
		futures = append(futures, p.Submit(func() int { return waitIfLast(in, read) }))
	}
	said := elsewhere(read, func() int { return must(futures[seventh].Wait()) }, "yes, if it has the future")
	p.StopAndWait()
	return said
}

func byIDRiver(ctx context.Context) string {
	read := make(chan struct{})
	client := outputs(ctx, 2, func(in int) int { return waitIfLast(in, read) }, nil)
	ended, unsubscribe := client.Subscribe(river.EventKindJobCompleted)
	defer unsubscribe()
	ids := insertAll(ctx, client, 10, nil)
	said := elsewhere(read, func() int {
		for e := range ended {
			if e.Job.ID == ids[seventh] {
				return output(e.Job)
			}
		}
		return 0
	}, "yes, by its event")
	check(client.Stop(ctx))
	return said
}

// byIDChannel sends with each job the channel for its result.
func byIDChannel(context.Context) string {
	type request struct {
		in    int
		reply chan int
	}
	read := make(chan struct{})
	jobs := make(chan request)
	crew := workers(2, jobs, func(r request) { r.reply <- waitIfLast(r.in, read) })
	var replies []chan int
	for in := range 10 {
		replies = append(replies, make(chan int, 1))
		jobs <- request{in, replies[in]}
	}
	said := elsewhere(read, func() int { return <-replies[seventh] }, "yes, if it has the channel")
	close(jobs)
	crew.Wait()
	return said
}
