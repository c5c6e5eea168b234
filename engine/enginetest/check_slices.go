package enginetest

import (
	"bytes"
	"slices"

	"github.com/resultpool/resultpool/engine"
	"github.com/resultpool/resultpool/internal/kit"
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
	if !slices.EqualFunc(tasks, kept, bytes.Equal) {
		kit.Failf("Push has changed the tasks that it was given from %q to %q", kept, tasks)
	}
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
			kit.Failf("Extend or Nack has changed the deliveries that it was given")
		}
	}
	clear(given)
	h.pull(2)

	recs := records(1, 5)
	h.save(recs...)
	for i, want := range records(1, 5) {
		if recs[i].ID != want.ID || !bytes.Equal(recs[i].Data, want.Data) {
			kit.Failf("Save has changed record %d of those that it was given to ID %d with %s", i, recs[i].ID, brief(recs[i].Data))
		}
		scribble(recs[i].Data)
	}
	clear(recs)
	h.hasOnly(records(1, 5)...)

	gone := []uint64{4, 5, 2}
	h.del(gone...)
	if !slices.Equal(gone, []uint64{4, 5, 2}) {
		kit.Failf("Delete has changed the IDs that it was given to %v", gone)
	}
	clear(gone)
	h.hasOnly(record(1), record(3))
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
			kit.Failf("task %d has changed to %s, after another that was delivered with it was written to", d.ID, brief(d.Task))
		}
		scribble(d.Task)
	}
	h.nack(ds)
	h.pull(6) // which knows what was pushed

	recs := records(1, 6)
	h.save(recs...)
	for range 2 {
		for _, rec := range recs {
			h.has(rec)
			data, err := h.Load(h.ctx, rec.ID)
			wantNil("Load", err)
			scribble(data)
		}
		var all []engine.Record
		h.loop(func(rec engine.Record) { all = append(all, rec) })
		for _, rec := range all {
			if !bytes.Equal(rec.Data, record(rec.ID).Data) {
				kit.Failf("All has yielded record %d with what is now %s, after others were written to", rec.ID, brief(rec.Data))
			}
			scribble(rec.Data)
		}
	}
	h.hasOnly(recs...)
}

func clones(all [][]byte) [][]byte {
	copies := make([][]byte, len(all))
	for i := range all {
		copies[i] = bytes.Clone(all[i])
	}
	return copies
}
