package saver

import (
	"slices"
	"time"

	"github.com/resultpool/resultpool/internal/backoff"
	"github.com/resultpool/resultpool/store"
)

// A Job is results on their way to the store, which is called as often as it takes. It belongs
// to one goroutine. If the store ends that by runtime.Goexit, another one continues the job by
// calling Run, or Resume after a Save.
//
// Results are settled in the order in which they were added: a part that is split is followed by its
// second half. Only a result that is set aside leaves the order.
type Job[R any] struct {
	saver *Saver[R]
	loop  *backoff.Loop
	// parts is what is left to do. The last one is next.
	parts []part[R]

	// one is where Save puts its result: a worker saves one at a time, and allocates nothing.
	one [1]Entry[R]
	// calling is true while the store is being called with the next part. If Run finds it true when
	// it ends, the store has called Goexit.
	calling bool
	// settled is told of results that are stored, or given up for a reason. It may be nil, and may
	// end the goroutine.
	settled func(es []Entry[R], why error)
	// givenUp is why the last result that was settled was given up, if it was.
	givenUp error

	// aside, if not nil, is given a result that the store fails to take, in a job of its own,
	// and runs it on another goroutine, or returns false.
	aside func(*Job[R]) bool

	// wasted is the time of calls that have failed after the cancel.
	wasted time.Duration
}

// A part is results that the store is given in one call.
type part[R any] struct {
	es []Entry[R]
	// unsure is true if an attempt that failed may have stored some of them.
	unsure bool
	// counted is true if they are counted in Saver.retrying.
	counted bool
}

// NewJob returns a job without results. settled is called with results when they are stored or
// given up, then with the reason; it may be nil. aside may take a result that fails alone, to be tried beside the
// others, by running the job that it is given; it may be nil.
func (s *Saver[R]) NewJob(settled func(es []Entry[R], why error), aside func(*Job[R]) bool) *Job[R] {
	return &Job[R]{saver: s, loop: s.failures.Loop(), settled: settled, aside: aside}
}

// Add adds results. They, and the array that they are in, belong to the job until all are settled.
func (j *Job[R]) Add(es []Entry[R]) { j.parts = append(j.parts, part[R]{es: es}) }

// Save returns when a result is stored, or given up, and then why. The caller, a worker, waits meanwhile: a
// store that is slow or down slows the pool and in the end its submitters, and nothing piles up.
//
// The first attempt is most often the only one, and is made without a part for it: a task that does
// nothing would notice the difference (BenchmarkPool over dense). res stays the caller's:
// only if another attempt is needed, the job has a copy of it. The caller keeps res until Save has
// returned, since Resume needs it if the first attempt ends the goroutine.
func (j *Job[R]) Save(res *store.Result[R]) (givenUp error) {
	if j.saver.cancelled.Load() {
		j.addOne(res)
		j.Run()
		return j.givenUp
	}
	j.calling = true
	a := j.putFirst(res)
	j.calling = false
	if a.fate == stored {
		return nil
	}
	j.addOne(res)
	j.follow(a)
	j.Run()
	return j.givenUp
}

// Resume goes on with the Save of a result that a Goexit of the store has ended. If that was the
// first attempt, the result is not in a part yet, and Run does not know of it. If it was a later one,
// Run has given the result up before its goroutine ended, and nothing is left to do.
func (j *Job[R]) Resume(res *store.Result[R]) (givenUp error) {
	if j.calling { // it was the first attempt: Run has none of its own left open
		j.calling = false
		j.addOne(res)
		j.follow(attempt{gone, errGoexit})
	}
	j.Run()
	return j.givenUp
}

// addOne adds a part with one result, in an array of the job's own.
func (j *Job[R]) addOne(res *store.Result[R]) {
	j.one[0] = NewEntry(*res)
	j.Add(j.one[:])
}

// RunAll is Run for one batch after the other, until next returns an empty one. It is called again
// after a Goexit, and so begins with what is left.
func (j *Job[R]) RunAll(next func() []Entry[R]) {
	j.Run() // what a Goexit of the store has left
	for batch := next(); len(batch) > 0; batch = next() {
		j.Add(batch)
		j.Run()
	}
}

// Run returns when all results of the job are stored or given up.
//
// It does not return if the store calls runtime.Goexit. The part that was being stored is dealt
// with then, and the caller's next goroutine calls Run again for the rest.
func (j *Job[R]) Run() {
	defer func() {
		if j.calling { // in a Goexit of the store: try turns a panic into an error
			j.calling = false
			j.follow(attempt{gone, errGoexit})
		}
	}()
	for len(j.parts) > 0 {
		es := j.next().es
		if len(es) > 1 && j.saver.batches == nil {
			j.split(1)
			continue
		}
		j.calling = true
		a := j.try(es)
		j.calling = false
		j.follow(a)
	}
}

// follow does what follows from an attempt to store the next part. The first row that fits
// counts, so the order matters.
//
//	fate             results  pool         what follows
//	stored           any      any          settle; parts that failed with this one cannot be stored
//	taken            one      any          settle, if an earlier attempt may have stored it
//	closed           any      any          end the pool; give up
//	failing          any      runs         halve; try again after a pause, or set a single one aside
//	failing          many     cancelled    give up, if failed calls have used up the grace
//	any other        many     any          halve, so that a bad result is alone in the end
//	refused, broken  one      any          try again with a result that says so, unless this is that
//	any other        one      any          give up
//
// A part is halved whatever the reason: if one of its results is the reason, it is alone in the
// end and the others are stored; and if the store was full or down, what it takes first when it
// is back is small. A pause that the cancel cuts short is followed by one more attempt.
func (j *Job[R]) follow(a attempt) {
	p := j.next()
	s := j.saver
	single := len(p.es) == 1
	switch {
	case a.fate == stored, a.fate == taken && single && p.unsure:
		if j.loop.IsFailing() {
			j.loop.Succeeded()
		}
		j.settle(nil)
		if a.fate == stored && !s.ownIDs {
			j.noteAllUnstored()
		}
	case a.fate == closed:
		s.hooks.Fail(a.err)
		j.settle(a.err)
	case a.fate == failing && s.ctx.Err() == nil:
		j.retry(a.err)
	case a.fate == failing && !single && s.hung.Load():
		j.settle(a.err)
	case !single:
		p.unsure = p.unsure || a.fate != refused && a.fate != taken
		j.split(len(p.es) / 2)
	case (a.fate == refused || a.fate == broken) && p.es[0].refused == nil:
		p.es[0] = replacement(p.es[0], a.err)
		p.unsure = p.unsure || a.fate == broken
	default:
		j.settle(a.err)
	}
}

// retry waits for the time to try the next part again. The pause ends with the pool's cancel: the
// attempt that follows is the last one.
//
// A single result that is set aside is tried in a job of its own, with pauses of its own, and this
// job goes on with the others.
func (j *Job[R]) retry(err error) {
	p := j.next()
	single := len(p.es) == 1
	p.unsure = true
	if !p.counted {
		p.counted = true
		j.saver.addRetrying(len(p.es))
	}
	if !single {
		j.split(len(p.es) / 2)
	}
	backoff.Sleep(j.saver.ctx, j.loop.Failed(err))
	if !single || j.aside == nil {
		return
	}
	// The part moves to the other job with what is known of it: that an attempt may have stored
	// it, and that it is counted.
	alone := j.saver.NewJob(j.settled, nil)
	alone.parts = []part[R]{*j.next()}
	alone.parts[0].es = slices.Clone(alone.parts[0].es) // the array is that of a batch
	if j.aside(alone) {
		j.drop(false)
	}
}

// settle removes the next part, whose results are stored, or given up if there is a reason why. The
// pool is told last, so whoever wakes then finds the result in the store or among the dropped.
func (j *Job[R]) settle(why error) {
	p := *j.next()
	var givenUp []dropped[R]
	if why != nil {
		for i := range p.es {
			givenUp = append(givenUp, p.es[i].original(why))
		}
	}
	retried := 0
	if p.counted {
		retried = len(p.es)
	}
	if retried > 0 || why != nil {
		j.saver.settle(retried, givenUp)
	}
	j.givenUp = why
	defer j.drop(why == nil) // whatever becomes of the goroutine
	if j.settled != nil {
		j.settled(p.es, why)
	}
}

// drop removes the next part, and forgets its results, which are the store's or the user's now. With
// the last part the loop is over, however that has ended: after a Goexit nobody need call Run again.
func (j *Job[R]) drop(isStored bool) {
	p := j.next()
	clear(p.es) // its batch may wait long for the rest
	*p = part[R]{}
	if j.parts = j.parts[:len(j.parts)-1]; len(j.parts) > 0 || !j.loop.IsFailing() {
		return
	}
	if isStored {
		j.loop.Succeeded()
	} else {
		j.loop.Leave()
	}
}

// next returns the part that is next. There is one.
func (j *Job[R]) next() *part[R] { return &j.parts[len(j.parts)-1] }

// noteAllUnstored notes that no attempt that failed has stored any of the parts that are left:
// in each such attempt was what has been stored just now, and an attempt stores all or nothing. From
// here on an ErrExists for one of them means a result of somebody else, which must not pass for ours.
func (j *Job[R]) noteAllUnstored() {
	for i := range j.parts {
		j.parts[i].unsure = false
	}
}

// split splits the next part after n results. Both halves stay in the array of the part, so nothing
// is copied, and what is known of the part is known of each half.
func (j *Job[R]) split(n int) {
	head := *j.next()
	j.next().es = head.es[n:]
	head.es = head.es[:n]
	j.parts = append(j.parts, head)
}
