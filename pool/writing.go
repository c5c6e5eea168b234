package pool

import (
	"fmt"
	"time"

	"github.com/resultpool/resultpool/internal/text"
	"github.com/resultpool/resultpool/store"
)

// A writing is results on their way to the store, which is called as often as it
// takes. It belongs to one goroutine or, after a Goexit of the store, to the one that
// goes on with it.
type writing[R any] struct {
	parts   []part[R]           // the last one is next
	trouble trouble             // from an attempt that has failed to the next success
	busy    bool                // the store is being called with the next part
	over    func(es []entry[R]) // these are stored or given up; may be nil

	// aside, if not nil, takes a part of one result that the store fails to take, or
	// returns false.
	aside func(part[R]) bool

	wasted time.Duration // by calls that have failed after the cancel
}

// A part is results that the store is given in one call.
type part[R any] struct {
	res    []entry[R]
	unsure bool // an attempt that failed may have stored some of them
	late   bool // they are counted as retried
}

// writing returns one of es, which may be nil.
func (s *saver[R]) writing(es []entry[R], over func([]entry[R]), aside func(part[R]) bool) *writing[R] {
	w := &writing[R]{trouble: trouble{all: s.troubles}, over: over, aside: aside}
	if len(es) > 0 {
		w.parts = []part[R]{{res: es}}
	}
	return w
}

// save returns when res is stored or among the unsaved. Its caller holds a worker's
// slot meanwhile: a store that is slow or down slows the pool and in the end its
// submitters, and nothing piles up. The first attempt may have been made already.
func (s *saver[R]) save(res store.Result[R], first attempt) {
	w := s.writing([]entry[R]{{res: res}}, nil, nil)
	if first.fate != untried {
		s.follow(w, first)
	}
	s.write(w)
}

// write returns when all of w is stored or among the unsaved. After a Goexit it is to
// be called again.
func (s *saver[R]) write(w *writing[R]) {
	defer func() {
		if w.busy {
			w.busy = false
			a := attempt{gone, errPutGoexit}
			if s.lost != nil { // an engine: no code of the task's runs in it, and another call may end otherwise
				a.fate = failing
			}
			s.follow(w, a)
		}
	}()
	for len(w.parts) > 0 {
		res := w.next().res
		if len(res) > 1 && s.batch == nil {
			w.split(1)
			continue
		}
		w.busy = true
		a := s.try(w, res)
		w.busy = false
		s.follow(w, a)
	}
}

// follow does what follows from an attempt to store the next part.
//
// A part that was not stored is halved, whatever the reason. If it was one of its
// results, that one is alone in the end, and the others are stored; if the store is
// full or down, what it takes first when it is back is small. An attempt that the
// store may make good on is repeated after a pause that grows, until the pool is
// cancelled; a pause that the cancel cuts short is followed by one more attempt. Of the
// writer's, a single result is set aside after the first. When, after the cancel, all
// that has cost the time that there is, a part that fails is given up whole.
func (s *saver[R]) follow(w *writing[R], a attempt) {
	p := w.next()
	alone := len(p.res) == 1
	switch {
	case a.fate == stored, a.fate == taken && alone && p.unsure:
		w.trouble.over()
		s.finished(w)
		if a.fate == stored && !s.reserves {
			w.sure()
		}
	case a.fate == closed:
		s.fail(a.err)
		s.finished(w, unsavedOf(p.res, a.err)...)
	case a.fate == failing && s.pool.Err() == nil:
		p.unsure = true
		if !p.late {
			p.late = true
			s.addRetrying(len(p.res))
		}
		if !alone {
			w.split(len(p.res) / 2)
		}
		sleep(s.pool, w.trouble.failed(a.err))
		if alone && w.aside != nil && w.aside(*p) {
			w.drop()
		}
	case !alone && a.fate == failing && s.hung.Load(): // enough time was lost on what is left
		s.finished(w, unsavedOf(p.res, a.err)...)
	case !alone:
		p.unsure = p.unsure || a.fate != refused && a.fate != taken
		w.split(len(p.res) / 2)
	case (a.fate == refused || a.fate == broken) && p.res[0].instead == nil:
		p.res[0] = replaced(p.res[0], a.err)
		p.unsure = p.unsure || a.fate == broken
	default:
		s.finished(w, unsavedOf(p.res, a.err)...)
	}
}

// finished removes the next part, whose results are stored, or else given up.
func (s *saver[R]) finished(w *writing[R], givenUp ...unsaved[R]) {
	p := *w.next()
	retried := 0
	if p.late {
		retried = len(p.res)
	}
	s.finish(retried, givenUp...)
	if w.over != nil {
		w.over(p.res)
	}
	w.drop()
}

// unsavedOf returns what is handed back of es: of one that was replaced, the task's own
// result, and why that was refused.
func unsavedOf[R any](es []entry[R], why error) []unsaved[R] {
	all := make([]unsaved[R], len(es))
	for i := range es {
		if all[i] = (unsaved[R]{es[i].res, why}); es[i].instead != nil {
			all[i] = *es[i].instead
		}
	}
	return all
}

// drop removes the next part. The trouble is over with the last one, however that has ended:
// after a Goexit nobody need call write again.
func (w *writing[R]) drop() {
	p := w.next()
	clear(p.res) // its batch may wait long for the rest
	*p = part[R]{}
	if w.parts = w.parts[:len(w.parts)-1]; len(w.parts) == 0 {
		w.trouble.over()
	}
}

// next returns the part that is next.
func (w *writing[R]) next() *part[R] { return &w.parts[len(w.parts)-1] }

// sure notes that no attempt that failed has stored any of the parts that are left: each
// such attempt had in it what was stored just now, and stores all or nothing.
func (w *writing[R]) sure() {
	for i := range w.parts {
		w.parts[i].unsure = false
	}
}

// split splits the next part after n results.
func (w *writing[R]) split(n int) {
	head := *w.next()
	w.next().res = head.res[n:]
	head.res = head.res[:n]
	w.parts = append(w.parts, head)
}

// notStored is the error to store in place of a result that was refused. As with
// because, making one calls no method of the user's errors, which may panic or worse.
type notStored struct{ task, refusal error }

func (e *notStored) Error() string {
	if e.task == nil {
		return fmt.Sprintf("pool: the task's result was not stored: %s", text.Of(e.refusal))
	}
	return fmt.Sprintf("pool: the task's error (%s) was not stored: %s", text.Of(e.task), text.Of(e.refusal))
}

func (e *notStored) Unwrap() error { return e.refusal }
