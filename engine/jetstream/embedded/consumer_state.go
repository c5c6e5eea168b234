package embedded

import (
	"encoding/binary"
	"slices"
	"time"
)

// consumerState is what a server remembers of a consumer, in "o.dat". It has no checksum,
// and a server believes it: it would skip tasks that were never delivered. Without it, the
// server delivers again what is in the queue, which is always right.
type consumerState struct {
	floor, delivered pair
	pending          map[uint64]uint64 // by the task's sequence: that of the delivery
}

type pair struct{ consumer, stream uint64 }

// parseConsumerState returns false if no server has written this.
func parseConsumerState(buf []byte, now time.Time) (*consumerState, bool) {
	r := uvarints{buf: buf}
	if r.byte() != 22 || r.byte() != 2 {
		return nil, false
	}
	s := &consumerState{
		floor:     pair{r.next(), r.next()},
		delivered: pair{r.next(), r.next()},
		pending:   make(map[uint64]uint64),
	}
	n := r.next()
	if n > uint64(len(r.buf)) {
		return nil, false
	}
	latest := now.Add(time.Minute).Unix()
	var base int64
	if n > 0 {
		base = r.signed()
	}
	for range n {
		seq, delivery := s.floor.stream+r.next(), s.floor.consumer+r.next()
		if when := base - r.signed(); when < 0 || when > latest {
			return nil, false // it would be delivered again when that has come
		}
		s.pending[seq] = delivery
	}
	if uint64(len(s.pending)) != n {
		return nil, false
	}
	n = r.next()
	if n > uint64(len(r.buf)) {
		return nil, false
	}
	for range n {
		if r.next() == 0 || r.next() > 1<<20 {
			return nil, false
		}
	}
	return s, !r.bad && len(r.buf) == 0 && s.sensible()
}

// sensible tells that what is pending was delivered in the order of the tasks, after the
// floor: the server relies on it when it raises that.
func (s *consumerState) sensible() bool {
	if s.floor.consumer > s.delivered.consumer || s.floor.stream > s.delivered.stream {
		return false
	}
	seqs := make([]uint64, 0, len(s.pending))
	for seq := range s.pending {
		seqs = append(seqs, seq)
	}
	slices.Sort(seqs)
	last := s.floor
	for _, seq := range seqs {
		at := pair{s.pending[seq], seq}
		if at.stream <= last.stream || at.consumer <= last.consumer {
			return false
		}
		last = at
	}
	return last.stream <= s.delivered.stream && last.consumer <= s.delivered.consumer
}

// acknowledged returns which of these tasks it says are acknowledged. They are ascending,
// and all that are in the queue.
func (s *consumerState) acknowledged(tasks []uint64) []uint64 {
	var acked []uint64
	for _, seq := range tasks {
		if _, ok := s.pending[seq]; !ok && seq <= s.delivered.stream {
			acked = append(acked, seq)
		}
	}
	return acked
}

// uvarints reads numbers from buf, until one is bad.
type uvarints struct {
	buf []byte
	bad bool
}

func (r *uvarints) byte() byte {
	if len(r.buf) == 0 {
		r.bad = true
		return 0
	}
	b := r.buf[0]
	r.buf = r.buf[1:]
	return b
}

func (r *uvarints) next() uint64 {
	v, n := binary.Uvarint(r.buf)
	r.advance(n)
	return v
}

func (r *uvarints) signed() int64 {
	v, n := binary.Varint(r.buf)
	r.advance(n)
	return v
}

func (r *uvarints) advance(n int) {
	if n <= 0 {
		r.bad, n = true, len(r.buf)
	}
	r.buf = r.buf[n:]
}
