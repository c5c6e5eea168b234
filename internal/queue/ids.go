package queue

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"sync/atomic"
)

// A Range says what IDs tickets have: those from First on and below End have ticket + Offset.
type Range struct{ First, Offset, End uint64 }

// Ticket returns the ticket that has that ID, if it is one of the range.
func (r Range) Ticket(id uint64) (ticket uint64, ok bool) {
	t := id - r.Offset
	return t, r.First <= t && t < r.End
}

// IDs is the table that says which ticket has which ID. It has no lock: the owner of the queue
// calls its methods with its own lock held, except for Next, which anybody may call.
//
// Each ticket has its ID before it is given to a task: IDs may have to be reserved by a call
// that takes long, and no task may wait in the queue for its ID.
type IDs struct {
	next    atomic.Pointer[Range] // of the next ticket, or used up
	blocks  []block               // in the order of their tickets; the oldest are forgotten
	past    []block               // those that are
	end     uint64                // tickets below it have an ID
	highest uint64                // the last ID of the last block
}

// A block says that the n tickets from the first one on have the IDs from id on.
type block struct{ ticket, n, id uint64 }

func (b block) end() uint64 { return b.ticket + b.n }

// Counting returns the table in which ticket 0 has ID 1, ticket 1 has ID 2, and so on.
func Counting() *IDs {
	d := &IDs{blocks: []block{{ticket: 0, n: math.MaxInt64, id: 1}}, end: math.MaxInt64}
	d.Advance(0)
	return d
}

// Add gives the next n tickets that have no ID the IDs from first on, which a store has reserved.
// It returns an error, and changes nothing, unless they are above all the IDs before: an ID that is
// given out twice costs a result.
func (d *IDs) Add(first, n uint64) error {
	last := first + (n - 1)
	if first <= d.highest || last < first {
		return fmt.Errorf("pool: the store reserved %d IDs from %d, want a range above %d", n, first, d.highest)
	}
	if k := len(d.blocks); k > 0 && first == d.highest+1 {
		d.blocks[k-1].n += n
	} else {
		d.blocks = append(d.blocks, block{d.end, n, first})
	}
	d.end += n
	d.highest = last
	return nil
}

// Next returns the range for the next ticket as of the last Advance: if the ticket is past its
// End, the range is used up.
func (d *IDs) Next() Range { return *d.next.Load() }

// Advance sets the range that Next returns to that of a ticket, the next one to be given out,
// and returns it. To set it for a later ticket is wrong: a Push only looks at its End.
func (d *IDs) Advance(ticket uint64) Range {
	b := d.blockOf(ticket)
	r := Range{First: b.ticket, Offset: b.id - b.ticket, End: b.end()}
	if old := d.next.Load(); old == nil || *old != r {
		d.next.Store(&r)
	}
	return r
}

// Forget forgets the blocks whose tickets are all below oldest, so that the table does not grow with
// the number of tasks. The owner knows the oldest ticket that somebody may still wait for.
//
// They are not in the way of those who look any more, but Past and ID know them: 24 bytes for each range that
// does not follow the one before without a gap, as where two pools share a store.
func (d *IDs) Forget(oldest uint64) {
	n := 0
	for n < len(d.blocks) && d.blocks[n].end() <= oldest {
		n++
	}
	d.past = append(d.past, d.blocks[:n]...)
	d.blocks = slices.Delete(d.blocks, 0, n)
}

// Past returns the ticket that has that ID, as Ticket does, also if it is forgotten.
func (d *IDs) Past(id uint64) (ticket uint64, ok bool) {
	if ticket, ok = d.Ticket(id); ok {
		return ticket, true
	}
	k, found := slices.BinarySearchFunc(d.past, id, func(b block, id uint64) int { return cmp.Compare(b.id, id) })
	if !found {
		if k--; k < 0 {
			return 0, false
		}
	}
	b := d.past[k]
	return b.ticket + id - b.id, id-b.id < b.n
}

// ID returns the ID of a ticket that has one, also if that is forgotten.
func (d *IDs) ID(ticket uint64) uint64 {
	b := block{}
	if len(d.past) > 0 && ticket < d.past[len(d.past)-1].end() {
		k, found := slices.BinarySearchFunc(d.past, ticket, func(b block, t uint64) int { return cmp.Compare(b.ticket, t) })
		if !found {
			k--
		}
		b = d.past[k]
	} else {
		b = d.blockOf(ticket)
	}
	return b.id + ticket - b.ticket
}

// End returns how many tickets have been given an ID by Add.
func (d *IDs) End() uint64 { return d.end }

// Len returns how many blocks are remembered. Blocks that follow each other without a gap are one.
func (d *IDs) Len() int { return len(d.blocks) }

// Ticket returns the ticket that has that ID, if there is one that is not forgotten. It may not
// have been given to a task yet. There are few blocks: those that were reserved while the oldest
// task runs.
func (d *IDs) Ticket(id uint64) (ticket uint64, ok bool) {
	for _, b := range d.blocks {
		if i := id - b.id; i < b.n {
			return b.ticket + i, true
		}
	}
	return 0, false
}

// blockOf returns the block of a ticket, or the last one if the ticket has none yet. It looks from
// the end: the tickets that are asked for are new.
func (d *IDs) blockOf(ticket uint64) block {
	i := len(d.blocks) - 1
	for i > 0 && ticket < d.blocks[i].ticket {
		i--
	}
	return d.blocks[i]
}
