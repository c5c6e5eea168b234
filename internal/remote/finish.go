package remote

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/resultpool/resultpool/engine"
	"github.com/resultpool/resultpool/internal/guard"
	"github.com/resultpool/resultpool/internal/text"
)

// A FinalError is the error of a Finish that need not be repeated, since the engine will never
// save a result of this process. The host has failed with it.
type FinalError struct{ Err error }

func (e *FinalError) Error() string { return text.Of(e.Err) }
func (e *FinalError) Unwrap() error { return e.Err }

// Finish is the end of tasks, in the order that keeps the promise: a result is saved before its task
// is acknowledged. If the process dies between the two, the task is delivered again and found to be
// saved; the other way round its result would be lost.
//
// Finish gives back the tasks whose records are empty, saves the other records, and acknowledges
// their tasks. After an error it may be called again, for all of recs or for some of them. The
// error matches engine.ErrTooLarge if one of recs can never be saved; it is a *store.PanicError, not
// wrapped, if Save has panicked, perhaps at one of recs; or it is a *[FinalError], not wrapped.
func (s *Share) Finish(ctx context.Context, recs []engine.Record) error {
	var save []engine.Record
	var saved, back []uint64
	for _, r := range recs {
		if len(r.Data) == 0 {
			back = append(back, r.ID)
		} else {
			saved, save = append(saved, r.ID), append(save, r)
		}
	}
	// First, since the others may fail for as long as the host is there: other machines
	// can run these meanwhile.
	later := s.held.delayed(back)
	s.giveBack(slices.DeleteFunc(back, func(id uint64) bool {
		_, is := later[id]
		return is // it is the host's until it is settled
	}))
	if len(save) == 0 {
		return nil
	}
	err := s.ask(ctx, func(ctx context.Context) error { return s.eng.Save(ctx, save) })
	panicked := guard.IsPanic(err)
	switch {
	case err == nil:
		s.held.saved(saved)
		s.ack(ctx, saved...)
		return nil
	case !panicked && !errors.Is(err, engine.ErrTooLarge) && s.isFinal(ctx, err):
		// The results go back to the saver, which hands them to the user; their tasks are
		// run by others when the leases end.
		err = &FinalError{text.Wrap("pool: saving results", err)}
		s.host.Fail(err)
		return err
	default:
		return err
	}
}

// ack forgets tasks whose results are saved. They are not held from here on, whatever the engine
// answers. If the engine does not hear of it, they are delivered again when their leases end, and found
// to be saved.
func (s *Share) ack(ctx context.Context, ids ...uint64) {
	ds := s.drop(ids)
	err := s.ask(ctx, func(ctx context.Context) error { return s.eng.Ack(ctx, ds) })
	if err != nil && s.isFinal(ctx, err) {
		s.host.Fail(text.Wrap("pool: acknowledging tasks", err))
	}
}

// giveBack lets another process have tasks, now, and ends their holding here. If the engine is not
// told, they are delivered when their leases end. An engine that hangs is waited for once: the host ends.
func (s *Share) giveBack(ids []uint64) {
	// From here on nobody extends their leases. A worker that still had one of them would not know,
	// so they are not given back before their workers are done with them.
	if ds := s.drop(ids); len(ds) > 0 && !s.deaf.Load() {
		s.tell(ds, s.eng.Nack)
	}
}

// tell makes a Nack.
func (s *Share) tell(ds []engine.Delivery, nack func(ctx context.Context, ds []engine.Delivery) error) {
	err := s.ask(s.calls, func(ctx context.Context) error { return nack(ctx, ds) })
	if errors.Is(err, context.DeadlineExceeded) {
		s.deaf.Store(true)
	}
}

// RunLater has a task given back, which is to run again after that time and is to be handed back. It returns false
// if the engine cannot do that: the host has to keep the task itself.
func (s *Share) RunLater(id uint64, after time.Duration) bool {
	if _, ok := s.eng.(engine.DelayedNacker); !ok {
		return false
	}
	s.held.delay(id, time.Now().Add(after))
	return true
}

// Settled follows a Finish that has succeeded, or that is not repeated: the host has nothing left that it knows by the
// IDs of these tasks, under which the engine may deliver them again at once. Those for which RunLater was called are
// given back now. Those whose results are saved and that were delivered again meanwhile are acknowledged once more.
func (s *Share) Settled(ids []uint64) {
	if again := s.held.settled(ids); len(again) > 0 {
		s.ack(s.calls, again...)
	}
	together := make(map[time.Time][]uint64)
	for id, until := range s.held.delayed(ids) {
		var at time.Time // it is over
		if time.Until(until) > 0 {
			at = until.Truncate(sameTime).Add(sameTime) // rather too late
		}
		together[at] = append(together[at], id)
	}
	for until, ids := range together {
		ds := s.drop(ids)
		if len(ds) == 0 || s.deaf.Load() && s.intake.Err() != nil { // the engine may answer again, while the host goes on
			continue
		}
		s.tell(ds, func(ctx context.Context, ds []engine.Delivery) error {
			return s.eng.(engine.DelayedNacker).NackAfter(ctx, ds, time.Until(until))
		})
	}
}

// sameTime is how far apart the times of tasks are that are given back together.
const sameTime = 10 * time.Millisecond
