package enginetest

import (
	"bytes"
	"context"
	"slices"
	"strings"

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
	h.pushAgain(key, tasks, ids)
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
