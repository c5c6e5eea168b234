package pool

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"runtime/debug"
	"slices"
	"time"

	"github.com/resultpool/resultpool/engine"
	"github.com/resultpool/resultpool/internal/queue"
	"github.com/resultpool/resultpool/store"
)

// ahead is for how long a pool takes over work beyond what its workers can begin at once:
// long enough that they do not wait for the engine, and short enough that another machine
// that has nothing to do does not wait for this one. What cannot be begun within it is
// left in the engine.
const ahead = 50 * time.Millisecond

// A pace measures how many tasks return in the time ahead, and so how many others can be
// begun. To count those that begin would be wrong: idle workers begin many at once, however
// long these then take.
type pace struct {
	since    time.Time
	returned uint64
	tasks    int
}

// measure returns how many that are, given how many have returned since Join.
func (p *pace) measure(now time.Time, returned uint64) int {
	if passed := now.Sub(p.since); passed >= ahead/10 {
		p.tasks = int(min(float64(returned-p.returned)*float64(ahead)/float64(passed), math.MaxInt32))
		p.since, p.returned = now, returned
	}
	return p.tasks
}

// A feeder is what feed has in hand: it is not lost if the engine calls Goexit.
type feeder struct {
	pace    pace
	trouble trouble
	calling bool              // the engine is being called
	again   []engine.Delivery // tasks that were delivered before and are held, and may be saved
	unsaved []uint64          // those of them that are not, and are not in the queue yet
}

var errEngineGoexit = fmt.Errorf("pool: in the engine: %w", ErrGoexit)

// feed pulls tasks until the pool is closed.
func (j *joint[T, R]) feed(f *feeder) {
	if f.calling {
		f.calling = false
		sleep(j.intake, f.trouble.failed(errEngineGoexit))
	}
	for j.takeUnsaved(f); j.intake.Err() == nil; j.takeUnsaved(f) {
		idle, more := j.wanted(f.pace.measure(time.Now(), j.returned.Load()))
		if idle+more == 0 {
			select {
			case <-j.room:
			case <-j.intake.Done():
			}
			continue
		}
		switch err := j.pull(f, idle, more); {
		case err == nil:
		case isFinal(j.intake, j.eng, err):
			j.pool.fail(&wrapped{"pool: taking over tasks", err})
		default:
			sleep(j.intake, f.trouble.failed(err))
		}
	}
	f.trouble.over()
	j.feedLeaves()
}

// longestLook is for how long a pool looks out for more tasks than its idle workers can
// begin: those that come later may be larger than the last ones.
const longestLook = 100 * time.Millisecond

// pull takes over tasks for idle workers, and so many more. It waits until there are some,
// or it is time to think again about how many they should be.
func (j *joint[T, R]) pull(f *feeder, idle, more int) error {
	ctx, cancel := context.WithCancel(j.intake)
	defer cancel()
	j.mu.Lock()
	j.resize = cancel
	resized := j.resized
	j.resized = false
	j.mu.Unlock()
	if resized {
		return nil
	}
	look := time.Duration(0)
	switch {
	case f.trouble.pause > 0: // an engine that works again and has no task would not say so
		look = 2 * patience
	case more > 0:
		look = longestLook
	}
	if look > 0 {
		ctx, cancel = context.WithTimeout(ctx, look)
		defer cancel()
	}
	var ds []engine.Delivery
	f.calling = true
	err := guarded(func() (err error) { ds, err = j.eng.Pull(ctx, idle+more); return err })
	f.calling = false
	j.takeOver(f, ds)
	switch {
	case len(ds) > 0 && err == nil, errors.Is(ctx.Err(), context.DeadlineExceeded): // time enough to say what fails
		f.trouble.over()
		return nil
	case ctx.Err() != nil: // by Resize, or the pool is closed
		return nil
	case err == nil:
		return errors.New("pool: the engine's Pull has returned nothing")
	default:
		return err
	}
}

// guarded turns a panic of the engine into an error like others.
func guarded(call func() error) (err error) {
	returned := false
	defer func() {
		if r := recover(); !returned { // r is nil after a panic(nil) with GODEBUG=panicnil=1, and in a Goexit
			err = &PanicError{Value: r, Stack: debug.Stack()}
		}
	}()
	err = call()
	returned = true
	return err
}

// ask makes a call of the engine that should return promptly. It ends after patience, or with ctx.
func ask(ctx context.Context, call func(ctx context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return guarded(func() error { return call(ctx) })
}

// feedLeaves is the end of feed. No task is pulled any more.
func (j *joint[T, R]) feedLeaves() {
	j.mu.Lock()
	j.fed = true
	j.mu.Unlock()
	j.drop() // beat may be over
	j.leave()
}

// leave counts a goroutine off, which ends the pool if it was the last.
func (j *joint[T, R]) leave() {
	j.pool.mu.Lock()
	j.pool.feeding--
	j.pool.unlock()
}

// wanted returns how many tasks to pull: for the workers that have none, and beyond that.
// While at least half of what is to wait does, it is none, so that tasks come in batches.
func (j *joint[T, R]) wanted(ahead int) (idle, more int) {
	p := j.pool
	p.mu.Lock()
	workers := p.target
	p.mu.Unlock()
	if workers == 0 {
		return 0, 0
	}
	j.low.Store(int64(ahead / 2)) // say so first, then look
	room := max(0, p.queue.Cap()-p.queue.Len())
	unfinished := int(j.entered - j.returned.Load())
	idle = max(0, workers-unfinished)
	waiting := max(0, unfinished-workers) // for a worker that is busy now
	if more = ahead - waiting; more <= ahead/2 || j.heldBytes() >= maxBatchBytes {
		more = 0
	}
	idle = min(idle, room)
	return idle, min(more, room-idle)
}

// ran is called by a worker after a task.
func (j *joint[T, R]) ran() {
	j.returned.Add(1)
	j.changed()
}

// changed wakes feed if there may be something for it to do. Workers call it before and
// after a task.
func (j *joint[T, R]) changed() {
	if int64(j.pool.queue.Len()) <= j.low.Load() {
		signal(j.room)
	}
}

// Resized has feed think again about how many tasks to take over.
func (j *joint[T, R]) Resized() {
	j.mu.Lock()
	j.resized = true
	resize := j.resize
	j.mu.Unlock()
	if resize != nil {
		resize()
	}
	signal(j.room)
}

// signal is a wake-up for the one who receives from c, which has room for one.
func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// takeOver puts what was pulled into the queue, but for tasks that were delivered before.
func (j *joint[T, R]) takeOver(f *feeder, ds []engine.Delivery) {
	ids := make([]uint64, 0, len(ds))
	for _, d := range ds {
		switch {
		case !j.hold(d): // it is in the queue, or runs
		case d.Attempt > 1:
			f.again = append(f.again, d)
		default:
			ids = append(ids, d.ID)
		}
	}
	j.enqueue(ids)
}

// takeUnsaved puts the tasks that were delivered before into the queue, if they are to be run.
func (j *joint[T, R]) takeUnsaved(f *feeder) {
	for ; len(f.again) > 0; f.again = f.again[1:] {
		f.calling = true
		yes := j.isUnsaved(&f.trouble, f.again[0].ID)
		f.calling = false
		if yes {
			f.unsaved = append(f.unsaved, f.again[0].ID)
		}
	}
	unsaved := f.unsaved
	f.unsaved = nil
	j.enqueue(unsaved)
}

// isUnsaved reports whether a task that was delivered before is to be run. Whoever had it
// may have saved its result and died before the engine heard that: then it is
// acknowledged. It says yes if the pool is closed before the engine answers, and if the
// engine never will: the first result that is saved counts.
func (j *joint[T, R]) isUnsaved(t *trouble, id uint64) bool {
	for j.intake.Err() == nil {
		err := ask(j.intake, func(ctx context.Context) error {
			_, err := j.eng.Load(ctx, id)
			return err
		})
		switch {
		case err == nil:
			t.over()
			j.ack(j.intake, id)
			return false
		case errors.Is(err, engine.ErrNotFound):
			t.over()
			return true
		case isFinal(j.intake, j.eng, err):
			j.failIfGone(err)
			return true
		}
		sleep(j.intake, t.failed(err))
	}
	return true
}

// enqueue puts tasks that are held into the queue, or gives them back if the pool is
// closed or has no workers. There is room, since only feed adds to the queue, unless the
// engine has sent more than it was asked for.
func (j *joint[T, R]) enqueue(ids []uint64) {
	p := j.pool
	var none [1]T
	for len(ids) > 0 {
		p.lockHeedingCancel()
		if p.closed != nil || p.target == 0 {
			p.unlock()
			break
		}
		p.queue.ShutTail(true)
		full := p.fullLocked()
		n := 0
		for ; n < len(ids); n++ {
			t := p.queue.Pushed()
			if _, k := p.queue.PushShut(queue.Range{Offset: ids[n] - t, End: math.MaxInt64}, none[:]); k == 0 {
				break // a worker has all but emptied the slot
			}
			p.ids.noteLocked(t, ids[n], p.queue.Popped())
		}
		ids = ids[n:]
		j.entered += uint64(n)
		p.unlock()
		if full {
			sleep(j.intake, firstPause)
		} else {
			runtime.Gosched()
		}
	}
	if len(ids) > 0 {
		j.giveBack(ids)
	}
}

// ack forgets tasks whose results are saved. If the engine does not hear it, they are
// delivered again when their leases end, and found to be saved.
func (j *joint[T, R]) ack(ctx context.Context, ids ...uint64) {
	ds := j.drop(ids...)
	err := ask(ctx, func(ctx context.Context) error { return j.eng.Ack(ctx, ds) })
	if err != nil && isFinal(ctx, j.eng, err) {
		j.pool.fail(&wrapped{"pool: acknowledging tasks", err})
	}
}

// giveBack lets another process have tasks, now. If the engine does not hear it, they are
// delivered when their leases end. An engine that hangs is waited for once: the pool ends.
func (j *joint[T, R]) giveBack(ids []uint64) {
	ds := j.drop(ids...)
	if len(ds) == 0 || j.deaf.Load() {
		return
	}
	err := ask(context.WithoutCancel(j.pool.taskCtx), func(ctx context.Context) error { return j.eng.Nack(ctx, ds) })
	if errors.Is(err, context.DeadlineExceeded) {
		j.deaf.Store(true)
	}
}

// noteLocked says which ID a ticket has, the next one, and forgets those of tickets
// that are popped.
func (d *ids) noteLocked(ticket, id, popped uint64) {
	d.blocks = slices.DeleteFunc(d.blocks, func(b idBlock) bool { return b.end() <= popped })
	if k := len(d.blocks) - 1; k >= 0 && d.blocks[k].id+d.blocks[k].n == id {
		d.blocks[k].n++
		return
	}
	d.blocks = append(d.blocks, idBlock{ticket: ticket, n: 1, id: id})
}

// patience is for how long the engine may take for a call that has not to wait. After it
// the answer is taken for lost, as with a connection that was cut, and the call is made
// again. It is half of the time for which an engine remembers the key of a Push.
const patience = 5 * time.Second

// jointStore is the engine as the store of a pool: what the writer puts there is saved,
// and then acknowledged. It shares nothing with New's stores but the interface, and never
// returns ErrExists: in an engine the first write of an ID wins.
type jointStore[T, R any] struct{ *joint[T, R] }

// Put is PutBatch for one.
func (s *jointStore[T, R]) Put(ctx context.Context, res store.Result[R]) error {
	return s.PutBatch(ctx, []store.Result[R]{res})
}

// PutBatch encodes what is not encoded yet.
func (s *jointStore[T, R]) PutBatch(ctx context.Context, res []store.Result[R]) error {
	recs := make([]store.Record, len(res))
	for i, r := range res {
		data, err := s.Encode(r)
		if err != nil {
			return err
		}
		recs[i] = store.Record{ID: r.ID, Data: data}
	}
	return s.PutRecords(ctx, recs)
}

// Encode returns the bytes of a result, or none for a task that is to be given back.
func (s *jointStore[T, R]) Encode(res store.Result[R]) ([]byte, error) {
	if isHandBack(res.Err) {
		return []byte{}, nil
	}
	return s.wire.encodeResult(res)
}

// PutRecords gives back the tasks whose records are empty, saves the others, and forgets
// their tasks. With an error it may be called again, for all of them or for some.
func (s *jointStore[T, R]) PutRecords(ctx context.Context, recs []store.Record) error {
	var back, saved []uint64
	var save []engine.Record
	for _, r := range recs {
		if id := uint64(r.ID); len(r.Data) == 0 {
			back = append(back, id)
		} else {
			saved, save = append(saved, id), append(save, engine.Record{ID: id, Data: r.Data})
		}
	}
	s.giveBack(back) // first, since the others may fail for as long as the pool is there
	if len(save) == 0 {
		return nil
	}
	switch err := s.save(ctx, save); {
	case err == nil:
		s.ack(ctx, saved...)
		return nil
	case errors.Is(err, engine.ErrTooLarge):
		return &because{store.ErrRejected, err} // it will never be saved like this
	case isFinal(ctx, s.eng, err):
		err = &wrapped{"pool: saving results", err}
		s.pool.fail(err)
		return &because{store.ErrClosed, err}
	default:
		return err
	}
}

func (s *jointStore[T, R]) save(ctx context.Context, recs []engine.Record) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return s.eng.Save(ctx, recs)
}

// Get loads a result.
func (s *jointStore[T, R]) Get(ctx context.Context, id store.ID) (store.Result[R], error) {
	data, err := s.eng.Load(ctx, uint64(id))
	if err != nil {
		return store.Result[R]{}, notFoundOr(id, err)
	}
	return s.wire.results.Decode(id, data)
}

// Delete deletes a result.
func (s *jointStore[T, R]) Delete(ctx context.Context, id store.ID) error {
	return s.eng.Delete(ctx, []uint64{uint64(id)})
}
