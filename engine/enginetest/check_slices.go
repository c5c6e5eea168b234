package enginetest

import (
	"bytes"
	"slices"
	"strconv"

	"github.com/resultpool/resultpool/engine"
)

// scribble writes over data, and behind it as far as it is the caller's by append.
func scribble(data []byte) {
	for i := range data {
		data[i] = '#'
	}
	_ = append(data, "##########"...)
}

// givenSlices writes over what the engine was given, after it has returned.
func givenSlices(s *subject) {
	h := s.open()
	key, tasks := s.key(), s.batch(5)
	kept := clones(tasks)
	ids := h.pushTasks(key, tasks)
	same("Push", "tasks", tasks, kept)
	for i := range tasks {
		scribble(tasks[i])
		tasks[i] = nil
	}
	ds := h.pull(5) // which knows what was pushed
	sameIDs("all that was delivered", idsOf(ds), ids)

	given := slices.Clone(ds)
	h.extend(given)
	h.nack(given[:2])
	for i, d := range given {
		if d.ID != ds[i].ID || d.Attempt != ds[i].Attempt || !bytes.Equal(d.Task, ds[i].Task) {
			fail("Extend or Nack has changed the deliveries that it was given")
		}
	}
	clear(given)
	h.pull(2)

	recs := records(1, 5)
	data := make([][]byte, len(recs))
	for i := range recs {
		data[i] = recs[i].Data
	}
	keptData := clones(data)
	h.save(recs...)
	for i, rec := range recs {
		if rec.ID != uint64(i+1) || !bytes.Equal(rec.Data, keptData[i]) {
			fail("Save has changed record %d of those that it was given to ID %d with %s", i, rec.ID, brief(rec.Data))
		}
		scribble(rec.Data)
	}
	clear(recs)
	h.hasOnly(records(1, 5))

	gone := []uint64{4, 5, 2}
	h.del(gone...)
	if !slices.Equal(gone, []uint64{4, 5, 2}) {
		fail("Delete has changed the IDs that it was given to %v", gone)
	}
	clear(gone)
	h.hasOnly(append(records(1, 1), records(3, 1)...))
}

// returnedSlices writes over what the engine has returned.
func returnedSlices(s *subject) {
	h := s.open()
	key, tasks := s.key(), s.batch(6)
	ids := h.pushTasks(key, tasks)
	again := slices.Clone(ids)
	clear(ids)
	h.pushAgain(key, tasks, again)

	ds := h.pull(6)
	kept := make([][]byte, len(ds))
	for i, d := range ds {
		kept[i] = bytes.Clone(d.Task)
	}
	for i, d := range ds {
		if !bytes.Equal(d.Task, kept[i]) {
			fail("task %d has changed to %s, after another that was delivered with it was written to", d.ID, brief(d.Task))
		}
		scribble(d.Task)
	}
	h.nack(ds)
	h.pull(6) // which knows what was pushed

	recs := records(1, 6)
	h.save(recs...)
	for range 2 {
		for _, rec := range recs {
			data, err := h.Load(h.ctx, rec.ID)
			if err != nil || !bytes.Equal(data, rec.Data) {
				fail("Load(%d), after what it had returned was written to, returned %s and error %v, want %s",
					rec.ID, brief(data), err, brief(rec.Data))
			}
			scribble(data)
		}
	}
	for range 2 {
		var all []engine.Record
		for rec, err := range h.All(h.ctx) {
			if err != nil {
				fail("All yielded error %q, want none", err)
			}
			all = append(all, rec)
		}
		for _, rec := range all {
			if want := "result of " + strconv.FormatUint(rec.ID, 10); string(rec.Data) != want {
				fail("All has yielded record %d with what is now %s, after others were written to, want %q", rec.ID, brief(rec.Data), want)
			}
			scribble(rec.Data)
		}
	}
	h.hasOnly(recs)
}

func clones(all [][]byte) [][]byte {
	copies := make([][]byte, len(all))
	for i := range all {
		copies[i] = bytes.Clone(all[i])
	}
	return copies
}

func same(method, what string, got, want [][]byte) {
	for i := range want {
		if !bytes.Equal(got[i], want[i]) {
			fail("%s has changed number %d of the %s that it was given from %s to %s", method, i, what, brief(want[i]), brief(got[i]))
		}
	}
}
