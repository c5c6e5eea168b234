package linear

import (
	"fmt"
	"math"
	"math/rand/v2"
	"sync/atomic"

	"github.com/resultpool/resultpool/internal/queue"
)

// line is what a history is taken of: a queue, or one that is broken on purpose.
type line interface {
	Push(ids queue.Range, task int) (id uint64, ok bool)
	PushAll(ids queue.Range, tasks []int) (first uint64, n int)
	PushShut(ids queue.Range, tasks []int) (first uint64, n int)
	Pop(mark *atomic.Uint64) (it queue.Item[int], ok bool)
	IsReady() bool
	ShutTail(on bool)
	ShutHead(on bool)
}

// queueClient is one goroutine that uses a queue. The first one is the owner.
type queueClient struct {
	*log[queueStep, struct{}]
	q     line
	rng   *rand.Rand
	owner bool
	shut  bool // the tail; the owner's

	pushed map[uint64]int // tasks by ID
	popped map[uint64]int
	next   int // the next task, which no other client has
	mark   atomic.Uint64
}

// offset is of IDs to tickets.
const offset = 1000

func ids() queue.Range { return queue.Range{Offset: offset, End: math.MaxInt64} }

// runQueue is one round: a queue, new or nearly full, and two or three goroutines.
func runQueue(k *checker, newLine func(capacity int) line, now clock, seed uint64) error {
	const ops = 6
	rng := rand.New(rand.NewPCG(seed, 0))
	clients := 2 + rng.IntN(2)
	capacity := 1 + rng.IntN(5)
	fill := rng.IntN(capacity + 1)
	if rng.IntN(3) == 0 { // a queue that grows
		capacity = 17 + rng.IntN(20)
		fill = 13 + rng.IntN(4)
	}
	q := newLine(capacity)
	all := make([]*queueClient, clients)
	for i := range all {
		all[i] = &queueClient{
			log: newLog[queueStep, struct{}](i, now, 64), q: q, rng: rand.New(rand.NewPCG(seed, uint64(i+1))),
			owner: i == 0, pushed: make(map[uint64]int), popped: make(map[uint64]int), next: 1000 * (i + 1),
		}
	}
	for range fill {
		all[0].push()
	}
	together(clients, func(i int) {
		for range ops {
			all[i].any()
		}
	})

	var logs []*log[queueStep, struct{}]
	pushed := make(map[uint64]int)
	for _, c := range all {
		logs = append(logs, c.log)
		for id, task := range c.pushed {
			pushed[id] = task
		}
	}
	for _, c := range all {
		for id, task := range c.popped {
			if pushed[id] != task {
				return fmt.Errorf("%w: seed %d: task %d was popped as item %d, which was task %d",
					errRejected, seed, task, id, pushed[id])
			}
		}
	}
	if err := k.check(queueModel(capacity), history(logs...)); err != nil {
		return fmt.Errorf("seed %d, capacity %d: %w", seed, capacity, err)
	}
	return nil
}

func (c *queueClient) any() {
	n := c.rng.IntN(20)
	if !c.owner {
		n = c.rng.IntN(13)
	}
	switch {
	case n < 5:
		c.push()
	case n < 11:
		c.pop()
	case n < 12:
		c.pushAll(c.q.PushAll, 1+c.rng.IntN(3), false)
	case n < 13:
		c.ready()
	case n < 15 && c.shut:
		c.shutTail(false)
	case n < 15:
		c.shutTail(true)
	case n < 18:
		if !c.shut {
			c.shutTail(true)
		}
		c.pushAll(c.q.PushShut, 1+c.rng.IntN(3), true)
	default:
		c.shutHead()
	}
}

func (c *queueClient) step(s queueStep, call, ret int64) { c.add(s, struct{}{}, call, ret) }

func (c *queueClient) push() {
	c.next++
	call := c.now()
	id, ok := c.q.Push(ids(), c.next)
	ret := c.now()
	if !ok {
		c.step(queueStep{kind: full}, call, ret)
		return
	}
	c.took(id, []int{c.next}, false, call, ret)
}

func (c *queueClient) pushAll(push func(queue.Range, []int) (uint64, int), n int, shut bool) {
	tasks := make([]int, n)
	for i := range tasks {
		c.next++
		tasks[i] = c.next
	}
	call := c.now()
	first, n := push(ids(), tasks)
	ret := c.now()
	if n == 0 {
		c.step(queueStep{kind: full, on: shut}, call, ret)
		return
	}
	if shut {
		c.step(queueStep{kind: mayGrow}, call, ret)
	}
	c.took(first, tasks[:n], shut, call, ret)
}

func (c *queueClient) took(first uint64, tasks []int, shut bool, call, ret int64) {
	c.step(queueStep{kind: take, first: first - offset, n: len(tasks), on: shut}, call, ret)
	for i, task := range tasks {
		id := first + uint64(i)
		c.pushed[id] = task
		c.step(queueStep{kind: publish, first: id - offset}, call, ret)
	}
}

func (c *queueClient) pop() {
	call := c.now()
	it, ok := c.q.Pop(&c.mark)
	ret := c.now()
	if !ok {
		c.step(queueStep{kind: nothing}, call, ret)
		return
	}
	c.popped[it.ID] = it.Task
	c.step(queueStep{kind: pop, first: it.ID - offset}, call, ret)
	c.step(queueStep{kind: free, first: it.ID - offset}, call, ret)
}

func (c *queueClient) ready() {
	call := c.now()
	yes := c.q.IsReady()
	c.step(queueStep{kind: askReady, yes: yes}, call, c.now())
}

func (c *queueClient) shutTail(on bool) {
	c.shut = on
	call := c.now()
	c.q.ShutTail(on)
	c.step(queueStep{kind: shutTail, on: on}, call, c.now())
}

func (c *queueClient) shutHead() {
	on := c.rng.IntN(2) == 0
	call := c.now()
	c.q.ShutHead(on)
	c.step(queueStep{kind: shutHead, on: on}, call, c.now())
}
