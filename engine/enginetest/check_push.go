package enginetest

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/resultpool/resultpool/engine"
	"github.com/resultpool/resultpool/internal/kit"
)

// taskRoundTrip works with as many tasks at once as a pool does, and with odd ones.
func taskRoundTrip(s *subject) {
	const batch = 256
	h, other := s.two()
	key, tasks := s.key(), s.batch(batch)
	for i := range tasks {
		tasks[i] = append(tasks[i], bytes.Repeat([]byte("."), i)...)
	}
	copy(tasks[7:], s.oddBytes())
	ids := h.pushTasks(key, tasks)
	ctx, cancel := context.WithTimeout(s.ctx, h.afterLease())
	defer cancel()
	var ds []engine.Delivery
	for len(ds) < batch {
		more, err := h.Pull(ctx, 4096) // as many as there are idle workers
		wantNil("Pull of at most 4096", err)
		h.pulled(more, 4096)
		ds = append(ds, more...)
	}
	sameIDs("all that was delivered", idsOf(ds), ids)
	h.extend(ds)
	h.nack(ds[:batch/2])
	again := other.pull(batch / 2)
	sameIDs("what was delivered after it was given back", idsOf(again), idsOf(ds[:batch/2]))
	other.ack(again)
	h.ack(ds[batch/2:])
	other.pushWhenThereIsRoom(batch)
	h.pull(batch)
	none, err := h.Push(h.ctx, s.key(), nil)
	if len(none) > 0 || err != nil {
		kit.Failf("Push of no tasks returned %v and %v, want nothing", none, err)
	}
}

// increasingIDs pushes before and after Close, with tasks that are acknowledged and with some
// that are not.
func increasingIDs(s *subject) {
	var last uint64
	for round := range 3 {
		h := s.open()
		for n := range 5 {
			ids := h.push(1 + 3*n)
			if ids[0] <= last {
				kit.Failf("Push returned ID %d after an earlier one had returned %d, want them to increase (opened %d times)",
					ids[0], last, round+1)
			}
			last = ids[len(ids)-1]
		}
		if round == 0 {
			h.ack(h.pull(35))
		}
		h.close()
	}
}

// madeAnew removes the queue with tasks in it. That no ID is given twice is seen by push.
func madeAnew(s *subject) {
	if s.Remake == nil {
		notOffered("SUBJECT HAS NO Remake")
	}
	for range 3 {
		h := s.open()
		h.push(50)
		h.ack(h.pull(30))
		h.close()
		wantNil("Remake", s.Remake(s.ctx))
	}
	h := s.open()
	sameIDs("all that was delivered", h.push(50), idsOf(h.pull(50)))
}

// pushedAgain pushes again while the tasks wait, are held, and are done, some for long.
func pushedAgain(s *subject) {
	s.sharesNoMessages()
	h, other := s.two()
	key, tasks := s.key(), s.batch(3)
	ids := h.pushTasks(key, tasks)
	h.pushAgain(key, tasks, ids)
	more := h.push(2)
	other.pushAgain(key, tasks, ids)
	h.pushAgain(key, tasks, ids)
	ds := h.pull(5)
	sameIDs("all that was delivered", idsOf(ds), append(more, ids...))
	h.pushAgain(key, tasks, ids)
	h.quiet("all tasks are held, and were pushed again with their key")
	h.ack(ds)
	h.pushAgain(key, tasks, ids)
	h.pause(s.remember)
	h.pushAgain(key, tasks, ids)
	h.quiet("all tasks were acknowledged, and then pushed again with their key")
}

// pushedAtOnce has the same Push made eight times at once, as by a caller that does not
// wait for the answer before it tries again.
func pushedAtOnce(s *subject) {
	s.sharesNoMessages()
	h, other := s.two()
	handles := []*handle{h, other}
	for range 5 {
		key, tasks := s.key(), s.batch(5)
		all := make([][]uint64, 8)
		kit.Parallel(len(all), func(i int) {
			ids, err := handles[i%2].Push(s.ctx, key, tasks)
			wantNil("Push, 8 times at once with the same key,", err)
			all[i] = ids
		})
		s.pushed(tasks, all[0])
		for _, ids := range all {
			if !slices.Equal(ids, all[0]) {
				kit.Failf("Push, 8 times at once with the same key, returned IDs %v and IDs %v", all[0], ids)
			}
		}
	}
	h.pull(25)
	h.quiet("all tasks are held; they were pushed 8 times at once with the same key")
}

// sharesNoMessages skips a check of what does not hold for tasks that share a message.
func (s *subject) sharesNoMessages() {
	if s.Run > 1 {
		notOffered("TASKS SHARE MESSAGES")
	}
}

// pushedInDoubt ends each Push early, and makes it again until it succeeds: all of the tasks are in the queue
// once.
func pushedInDoubt(s *subject) {
	const rounds, batch = 30, 5
	h := s.open()
	push := func(rng *rand.Rand, key string, tasks [][]byte) (ids []uint64) {
		for try := 0; ; try++ {
			ctx, cancel := context.WithTimeout(s.ctx, time.Duration(rng.IntN(1500)+500*try)*time.Microsecond)
			ids, err := h.Push(ctx, key, tasks)
			cancel()
			if err == nil {
				return ids
			}
			if try == 100 {
				kit.Failf("Push returned error %q, the hundredth time", err)
			}
		}
	}
	var all [rounds][]uint64
	kit.Parallel(3, func(i int) {
		rng := rand.New(rand.NewPCG(5, uint64(i)))
		for round := i; round < rounds; round += 3 {
			tasks := s.batch(batch)
			all[round] = push(rng, s.key(), tasks)
			s.pushed(tasks, all[round])
		}
	})
	sameIDs("what was delivered of Pushes that were repeated after an error", idsOf(h.pull(rounds*batch)), slices.Concat(all[:]...))
	h.quiet("each task was delivered once; it was pushed again after an error, with its key")
}

// otherKeys pushes the same tasks with keys of all kinds. They are other tasks then.
func otherKeys(s *subject) {
	h := s.open()
	tasks := [][]byte{[]byte("same"), []byte("same")}
	keys := []string{"a", "A", "0", "-", "aA", strings.Repeat("Zz-9", 16), "018f6e2a-7c3b-7000-8000-0123456789ab", "018f6e2a-7c3b-7000-8000-0123456789ac"}
	var ids []uint64
	for _, key := range keys {
		ids = append(ids, h.pushTasks(key, tasks)...)
	}
	sameIDs("all that was delivered", idsOf(h.pull(len(ids))), ids)
}

// A pushing is a Push that may be refused, and is tried again then.
type pushing struct {
	s     *subject
	key   string
	tasks [][]byte
	ids   []uint64 // 0 for those that are not known to be in the queue
}

func (s *subject) pushing(tasks [][]byte) *pushing {
	return &pushing{s, s.key(), tasks, make([]uint64, len(tasks))}
}

// try makes the call, which may succeed or return an error matching refusal. It returns
// the IDs that were not known before.
func (p *pushing) try(h *handle, refusal error) (fresh []uint64, err error) {
	ids, err := h.Push(h.ctx, p.key, p.tasks)
	switch {
	case err != nil && !errors.Is(err, refusal):
		kit.Failf("Push returned error %q, want none or one matching %q", err, refusal)
	case len(ids) != len(p.tasks) && (err == nil || len(ids) > 0):
		kit.Failf("Push of %d tasks returned %d IDs and error %v", len(p.tasks), len(ids), err)
	case err == nil && slices.Contains(ids, 0):
		kit.Failf("Push of %d tasks returned ID 0 for task %d of the call, and no error", len(p.tasks), slices.Index(ids, 0))
	}
	var tasks [][]byte
	for i, id := range ids {
		switch {
		case id == 0:
		case p.ids[i] == 0:
			p.ids[i] = id
			tasks, fresh = append(tasks, p.tasks[i]), append(fresh, id)
		case p.ids[i] != id:
			kit.Failf("Push, again with the same key, returned ID %d for task %d of the call, want %d as before", id, i, p.ids[i])
		}
	}
	// Those of one call are in order. A task that was refused may get its ID later than
	// those behind it.
	p.s.pushed(tasks, fresh)
	return fresh, err
}

func tooLargeTask(s *subject) {
	if s.TooLarge == 0 {
		notOffered("SUBJECT HAS NO TooLarge")
	}
	h := s.open()
	tasks := s.batch(3)
	tasks[1] = make([]byte, s.TooLarge)
	p := s.pushing(tasks)
	fresh, err := p.try(h, engine.ErrTooLarge)
	if err == nil || p.ids[1] != 0 {
		kit.Failf("Push returned ID %d and error %v for a task that is too large", p.ids[1], err)
	}
	if len(fresh) > 0 {
		sameIDs("of a Push that returned ErrTooLarge, what was delivered", idsOf(h.pull(len(fresh))), fresh)
	}
	h.quiet("the task has no ID in what Push returned with ErrTooLarge")
	sameIDs("a task of another Push", h.push(1), idsOf(h.pull(1)))
}

// full pushes until there is no room for all tasks of a call, and pushes those again when there is.
func full(s *subject) {
	h, other := s.two()
	if s.Run > 1 { // the key is known to one
		other = h
	}
	var known []uint64
	var p *pushing
	for err := error(nil); err == nil; {
		if len(known) >= max(2, s.Run)*s.QueueBound {
			kit.Failf("Push returned no error until %d tasks were in the queue, want one matching engine.ErrFull: QueueBound is %d",
				len(known), s.QueueBound)
		}
		var fresh []uint64
		p = s.pushing(s.batch(s.QueueBound/8 + 3))
		fresh, err = p.try(h, engine.ErrFull)
		known = append(known, fresh...)
	}
	prompt(20, 500*time.Millisecond, "Push to a queue that is full", func() time.Duration {
		start := time.Now()
		fresh, err := s.pushing(s.batch(1)).try(other, engine.ErrFull)
		took := time.Since(start)
		if err == nil { // there was room for one
			known = append(known, fresh...)
			return soon
		}
		return took
	})
	if len(known) < s.QueueBound {
		kit.Failf("Push returned ErrFull when %d tasks were in the queue, want room for QueueBound: %d", len(known), s.QueueBound)
	}
	for len(known) > 0 {
		ds := h.pull(len(known))
		sameIDs("of a queue that was full, what was delivered", idsOf(ds), known)
		h.quiet("the task had no ID in what Push returned with ErrFull, or had been delivered")
		h.ack(ds)
		known = p.untilRoom(other)
	}
}

// untilRoom tries until one more of the tasks is in the queue, if not all are. There is room as
// soon as others are acknowledged.
func (p *pushing) untilRoom(h *handle) (fresh []uint64) {
	for start := time.Now(); len(fresh) == 0 && slices.Contains(p.ids, 0); h.pause(2 * time.Millisecond) {
		fresh, _ = p.try(h, engine.ErrFull)
		if time.Since(start) > 2*soon {
			kit.Failf("Push of %d tasks returned ErrFull for %v, although others were acknowledged", len(p.tasks), 2*soon)
		}
	}
	return fresh
}

// pushWhenThereIsRoom pushes n tasks.
func (h *handle) pushWhenThereIsRoom(n int) {
	p := h.s.pushing(h.s.batch(n))
	for len(p.untilRoom(h)) > 0 {
	}
}
