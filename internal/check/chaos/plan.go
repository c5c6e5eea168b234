package chaos

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"time"

	"github.com/resultpool/resultpool/store"
)

// A plan is all that a seed determines.
type plan struct {
	seed    uint64
	bubble  bool // the round runs in a synctest bubble
	workers int
	queue   int
	born    bool // the pool's context is done before New
	noCause bool // the cancel has no cause of its own
	rivals  bool // everybody resizes, not only the controller
	store   storePlan
	filler  int // tasks before the others, so that these need reserved IDs
	callers [][]op
	control []op
	ending  ending
	tasks   []*Task
}

// An op is one call, or one pause.
type op struct {
	kind  opKind
	tasks []*Task
	ctx   ctxKind
	n     int // for opResize, workers; for those that pick a task, which; for pauses, how long
}

type opKind int

const (
	opSubmit opKind = iota
	opTrySubmit
	opSubmitAll
	opGet
	opGetDelete
	opGetUnknown
	opResults
	opWait
	opStats
	opResize
	opYield
	opSleep
	opPassed // waits until n tasks have been offered
)

// ctxKind is the context of a call.
type ctxKind int

const (
	ctxNever  ctxKind = iota // it does not end
	ctxDone                  // it is done before the call
	ctxSoon                  // it ends by time
	ctxSudden                // somebody cancels it
)

// ending is how the pool is ended.
type ending int

const (
	endPatient    ending = iota // Stop when all callers are done
	endStop                     // Stop
	endStops                    // several Stops at once, some with a context that ends
	endCancel                   // the cancel
	endZero                     // Resize(0), then Stop
	endStopCancel               // Stop, and the cancel a little later
	endRace                     // Stop and cancel at once
	endHurry                    // Stop with a context that is done, then Resize(0)
	endings
)

// newPlan makes the plan of a seed.
func newPlan(seed uint64) *plan {
	rng := rand.New(rand.NewPCG(seed, 0))
	p := &plan{
		seed:    seed,
		bubble:  rng.IntN(2) == 0,
		workers: rng.IntN(6), // 0 is GOMAXPROCS
		queue:   1 + rng.IntN(1<<rng.IntN(6)),
		born:    rng.IntN(60) == 0,
		noCause: rng.IntN(8) == 0,
		rivals:  rng.IntN(5) == 0,
		ending:  ending(rng.IntN(int(endings))),
	}
	if rng.IntN(20) == 0 {
		p.queue = 0 // 1024
	}
	p.store = newStorePlan(rng, p.bubble)
	if rng.IntN(400) == 0 && p.store.fillable() {
		p.filler = 1<<16 - rng.IntN(20) // about as many as a pool reserves IDs for
	}
	size := 8 + rng.IntN(40)
	for range 1 + rng.IntN(5) {
		p.callers = append(p.callers, p.script(rng, size/2+1))
	}
	for range rng.IntN(5) {
		p.control = append(p.control, p.controls(rng)...)
	}
	p.control = append(p.control, op{kind: opPassed, n: rng.IntN(len(p.tasks) + 1)})
	return p
}

// script is what one caller does.
func (p *plan) script(rng *rand.Rand, n int) []op {
	var ops []op
	for len(ops) < n {
		o := op{ctx: p.context(rng), n: rng.IntN(1 << 16)}
		switch k := rng.IntN(100); {
		case k < 30:
			o.kind, o.tasks = opSubmit, p.some(rng, 1)
		case k < 48:
			o.kind, o.tasks = opTrySubmit, p.some(rng, 1)
		case k < 58:
			o.kind, o.tasks = opSubmitAll, p.some(rng, 1+rng.IntN(6))
		case k < 66:
			o.kind = opGet
		case k < 74:
			o.kind = opGetDelete
		case k < 76:
			o.kind = opGetUnknown
		case k < 79:
			o.kind = opResults
		case k < 83:
			o.kind = opWait
		case k < 90:
			o.kind = opStats
		case k < 92 && p.rivals:
			o.kind, o.n = opResize, rng.IntN(6)
		case k < 98:
			o.kind, o.n = opYield, 1+rng.IntN(4)
		default:
			o.kind, o.n = opSleep, rng.IntN(30)
		}
		ops = append(ops, o)
	}
	return ops
}

// controls are a few steps of the goroutine that resizes and ends the pool.
func (p *plan) controls(rng *rand.Rand) []op {
	pause := op{kind: opYield, n: 1 + rng.IntN(20)}
	switch rng.IntN(6) {
	case 0:
		return []op{{kind: opResize, n: 0}, pause, {kind: opResize, n: 1 + rng.IntN(5)}}
	case 1, 2:
		return []op{{kind: opResize, n: 1 + rng.IntN(8)}, pause}
	case 3:
		return []op{{kind: opResize, n: -1 - rng.IntN(3)}, {kind: opStats}}
	case 4:
		return []op{{kind: opPassed, n: rng.IntN(len(p.tasks) + 1)}}
	default:
		return []op{pause, {kind: opStats}}
	}
}

func (p *plan) context(rng *rand.Rand) ctxKind {
	switch k := rng.IntN(20); {
	case k < 11:
		return ctxNever
	case k < 12:
		return ctxDone
	case k < 15:
		return ctxSoon
	default:
		return ctxSudden
	}
}

// some makes n tasks. Now and then one of them is nil.
func (p *plan) some(rng *rand.Rand, n int) []*Task {
	tasks := make([]*Task, n)
	for i := range tasks {
		if rng.IntN(150) > 0 {
			tasks[i] = p.task(rng, 0)
		}
	}
	return tasks
}

func (p *plan) task(rng *rand.Rand, depth int) *Task {
	t := &Task{number: len(p.tasks) + 1, long: time.Duration(rng.IntN(30)) * time.Microsecond, how: opKind(rng.IntN(3))}
	p.tasks = append(p.tasks, t)
	total := 0
	for _, w := range weights {
		total += w
	}
	pick := rng.IntN(total)
	for pick >= weights[t.does] {
		pick -= weights[t.does]
		t.does++
	}
	if t.does == submits {
		if depth > 1 {
			t.does = succeeds
		} else {
			for range 1 + rng.IntN(2) {
				t.kids = append(t.kids, p.task(rng, depth+1))
			}
		}
	}
	return t
}

// limit is the number of workers that the pool is made with.
func (p *plan) limit() int {
	if p.workers == 0 {
		return runtime.GOMAXPROCS(0)
	}
	return p.workers
}

// room is the size of the queue.
func (p *plan) room() int {
	if p.queue == 0 {
		return 1024
	}
	return p.queue
}

func (p *plan) String() string {
	return fmt.Sprintf("seed %d: bubble %t, workers %d, queue %d, born dead %t, rivals %t, ending %d, filler %d, %d callers, %d tasks, store %+v",
		p.seed, p.bubble, p.workers, p.queue, p.born, p.rivals, p.ending, p.filler, len(p.callers), len(p.tasks), p.store)
}

// unknown is an ID that no pool of a round gives out.
const unknown store.ID = 1<<50 + 12345
