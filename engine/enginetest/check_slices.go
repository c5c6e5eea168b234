package enginetest

import (
	"bytes"
	"reflect"
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
	unchanged("Push", tasks, kept)
	for i := range tasks {
		scribble(tasks[i])
		tasks[i] = nil
	}
	ds := h.pull(5) // which knows what was pushed
	sameIDs("all that was delivered", idsOf(ds), ids)

	given := slices.Clone(ds)
	h.extend(given)
	unchanged("Extend", given, ds)
	h.nack(given[:2])
	unchanged("Nack", given, ds)
	clear(given)
	h.pull(2)

	recs := records(1, 5)
	h.save(recs...)
	unchanged("Save", recs, records(1, 5))
	for i := range recs {
		scribble(recs[i].Data)
	}
	clear(recs)
	h.hasOnly(records(1, 5)...)

	gone := []uint64{4, 5, 2}
	h.del(gone...)
	unchanged("Delete", gone, []uint64{4, 5, 2})
	clear(gone)
	h.hasOnly(record(1), record(3))
}

func unchanged(method string, given, want any) {
	if !reflect.DeepEqual(given, want) {
		kit.Failf("%s has changed what it was given from %v to %v", method, want, given)
	}
}

// returnedSlices writes over what the engine has returned.
func returnedSlices(s *subject) {
	h := s.open()
	key, tasks := s.key(), s.batch(6)
	ids := h.pushTasks(key, tasks)
	again := slices.Clone(ids)
	clear(ids)
	h.pushAgainIfKnown(key, tasks, again)

	ds := h.pull(6)
	for _, d := range ds {
		if string(d.Task) != s.tasks[d.ID].task {
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
