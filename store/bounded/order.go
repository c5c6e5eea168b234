package bounded

import (
	"time"

	"github.com/resultpool/resultpool/store"
)

// An order is the IDs of the results that are held, from the oldest one on. To delete one that
// is in the middle leaves its entry there, which then counts no more.
type order struct {
	places  map[store.ID]uint64 // where the entry is that counts for an ID
	entries []entry             // the first of them counts, if there is one
	first   uint64              // the place of entries[0]
}

type entry struct {
	id store.ID
	at time.Duration // when it was put
}

func newOrder() order { return order{places: make(map[store.ID]uint64)} }

func (o *order) len() int { return len(o.places) }

// add adds an ID that is not there.
func (o *order) add(id store.ID, at time.Duration) {
	o.places[id] = o.first + uint64(len(o.entries))
	o.entries = append(o.entries, entry{id, at})
}

func (o *order) at(id store.ID) (at time.Duration, held bool) {
	place, held := o.places[id]
	if !held {
		return 0, false
	}
	return o.entries[place-o.first].at, true
}

// remove removes an ID, if it is there.
func (o *order) remove(id store.ID) {
	if _, held := o.places[id]; !held {
		return
	}
	delete(o.places, id)
	for len(o.entries) > 0 && !o.counts(0) {
		o.entries = o.entries[1:]
		o.first++
	}
	if len(o.entries) > 2*len(o.places)+64 {
		o.pack()
	}
}

func (o *order) counts(i int) bool {
	place, held := o.places[o.entries[i].id]
	return held && place == o.first+uint64(i)
}

// pack removes the entries that do not count: there are more of them than of others, so it costs
// each that was removed little.
func (o *order) pack() {
	old := *o
	o.first += uint64(len(o.entries)) // so that no place of before counts
	o.entries = make([]entry, 0, 2*len(o.places))
	for i, e := range old.entries {
		if old.counts(i) {
			o.add(e.id, e.at)
		}
	}
}

// each calls f for each ID, the oldest first, until f returns false. f must not change o.
func (o *order) each(f func(id store.ID, at time.Duration) bool) {
	for i, e := range o.entries {
		if o.counts(i) && !f(e.id, e.at) {
			return
		}
	}
}
