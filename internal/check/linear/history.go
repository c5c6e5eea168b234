package linear

import (
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/anishathalye/porcupine"
)

// A log is what one goroutine has done: operations with input I and output O. To
// write down an operation takes no lock and, with room in the log, no memory.
type log[I, O any] struct {
	client int
	now    clock
	ops    []operation[I, O]
}

type operation[I, O any] struct {
	in        I
	out       O
	call, ret int64
}

func newLog[I, O any](client int, now clock, room int) *log[I, O] {
	return &log[I, O]{client: client, now: now, ops: make([]operation[I, O], 0, room)}
}

// do calls f and writes down what it returns.
func (l *log[I, O]) do(in I, f func() O) O {
	call := l.now()
	out := f()
	l.add(in, out, call, l.now())
	return out
}

// add writes down an operation with moments that the caller has taken.
func (l *log[I, O]) add(in I, out O, call, ret int64) {
	l.ops = append(l.ops, operation[I, O]{in, out, call, ret})
}

// history puts logs together.
func history[I, O any](logs ...*log[I, O]) []porcupine.Operation {
	var all []porcupine.Operation
	for _, l := range logs {
		for _, op := range l.ops {
			all = append(all, porcupine.Operation{
				ClientId: l.client, Input: op.in, Output: op.out, Call: op.call, Return: op.ret,
			})
		}
	}
	return all
}

// partition returns the function that splits a history by what key says of an
// input, in the order of first appearance.
func partition[I any, K comparable](key func(I) K) func([]porcupine.Operation) [][]porcupine.Operation {
	return func(history []porcupine.Operation) [][]porcupine.Operation {
		place := make(map[K]int)
		var parts [][]porcupine.Operation
		for _, op := range history {
			k := key(op.Input.(I))
			i, ok := place[k]
			if !ok {
				i = len(parts)
				place[k] = i
				parts = append(parts, nil)
			}
			parts[i] = append(parts[i], op)
		}
		return parts
	}
}

// together runs f for 0 to n-1, each in a goroutine, and returns when all have
// ended. They begin at one moment, as far as that can be had: a goroutine that is
// first would be through before the last is there.
func together(n int, f func(i int)) {
	var there atomic.Int64
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			there.Add(1)
			for there.Load() < int64(n) {
				runtime.Gosched()
			}
			f(i)
		})
	}
	wg.Wait()
}
