package monitor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"math/bits"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/resultpool/resultpool/internal/errwalk"
	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
)

type count = atomic.Uint64

// mostKinds bounds the kinds of errors that are told apart. Who makes types of errors without end gets the rest under one.
const mostKinds = 50

// record is what the hooks of a name have told.
type record struct {
	start time.Time

	given, added, shown int // calls of Hooks and Add, and pools that are there; guarded by Monitor.mu

	ran durations

	mu    sync.Mutex
	kinds map[string]*kind
}

// kind is the errors of one kind.
type kind struct {
	name  string
	count uint64
	last  time.Duration // since start
	id    store.ID      // of the last
}

// ended is the hook.
func (r *record) ended(id store.ID, out pool.Outcome, err error, ran time.Duration) {
	if out != pool.NotRun {
		r.ran.add(ran)
	}
	if err == nil {
		return
	}
	name := kindOf(out, err)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.kinds == nil {
		r.kinds = make(map[string]*kind)
	}
	if r.kinds[name] == nil && len(r.kinds) >= mostKinds {
		name = "others"
	}
	k := r.kinds[name]
	if k == nil {
		k = &kind{name: name}
		r.kinds[name] = k
	}
	k.count++
	k.last = time.Since(r.start)
	k.id = id
}

// errors returns the kinds, the latest first.
func (r *record) errors() []kind {
	r.mu.Lock()
	defer r.mu.Unlock()
	kinds := make([]kind, 0, len(r.kinds))
	for _, k := range r.kinds {
		kinds = append(kinds, *k)
	}
	slices.SortFunc(kinds, func(a, b kind) int {
		return cmp.Or(cmp.Compare(b.last, a.last), strings.Compare(a.name, b.name))
	})
	return kinds
}

// kindOf returns what errors are told apart by: what became of the task, and the types in the error's chain. Its text
// may quote the task's input, and has no end of values.
func kindOf(out pool.Outcome, err error) string {
	if errwalk.Is(err, pool.ErrUnsaved) {
		return "result not saved"
	}
	if panicked, ok := errwalk.As[*store.PanicError](err); ok && out == pool.Panicked {
		return fmt.Sprintf("%v: %T", out, panicked.Value)
	}
	var types []string
	for e := range errwalk.Tree(err) {
		if name := typeOf(e); len(types) < 5 && !slices.Contains(types, name) {
			types = append(types, name)
		}
	}
	// Those that only join and wrap say nothing, if there are others.
	if specific := slices.DeleteFunc(slices.Clone(types), isWrapper); len(specific) > 0 {
		types = specific
	}
	return shorten(out.String()+": "+strings.Join(types, ", "), longestName)
}

// typeOf returns the type of an error, or the error's own name where it is one that the library has.
func typeOf(err error) string {
	for _, known := range [...]struct {
		err  error
		name string
	}{
		{pool.ErrNotRun, "pool.ErrNotRun"},
		{pool.ErrGoexit, "pool.ErrGoexit"},
		{pool.ErrPoisoned, "pool.ErrPoisoned"},
		{pool.ErrClosed, "pool.ErrClosed"},
		{pool.ErrQueueFull, "pool.ErrQueueFull"},
		{pool.ErrInTask, "pool.ErrInTask"},
		{store.ErrNotFound, "store.ErrNotFound"},
		{store.ErrRejected, "store.ErrRejected"},
		{context.Canceled, "context.Canceled"},
		{io.EOF, "io.EOF"},
		{io.ErrUnexpectedEOF, "io.ErrUnexpectedEOF"},
	} {
		if same(err, known.err) {
			return known.name
		}
	}
	return fmt.Sprintf("%T", err)
}

// same is ==, which panics for errors of some types.
func same(err, known error) (is bool) {
	defer func() { _ = recover() }()
	return err == known //nolint:errorlint // the error itself: what it wraps has its own turn
}

func isWrapper(name string) bool {
	return name == "*fmt.wrapError" || name == "*fmt.wrapErrors" || name == fmt.Sprintf("%T", errors.Join(errors.ErrUnsupported))
}

// durations counts tasks by how long they ran: those of less than 1<<i nanoseconds, and not less than half
// of that, are in the field i.
type durations [64]count

func (d *durations) add(ran time.Duration) { d[bits.Len64(uint64(max(ran, 0)))].Add(1) }

// tally is the durations of one moment.
type tally [64]uint64

func (d *durations) now() (t tally) {
	for i := range d {
		t[i] = d[i].Load()
	}
	return t
}

// spread says how long tasks ran.
type spread struct {
	Tasks     uint64  `json:"tasks"`
	HalfUnder float64 `json:"halfUnder"` // seconds: half of them took less
	MostUnder float64 `json:"mostUnder"` // 99 %
}

// since returns the spread of those that were added after before; nil if there are none.
func (t tally) since(before tally) *spread {
	var s spread
	for i := range t {
		t[i] -= before[i]
		s.Tasks += t[i]
	}
	if s.Tasks == 0 {
		return nil
	}
	under := func(share float64) float64 {
		n := uint64(0)
		for i := range t {
			if n += t[i]; float64(n) >= share*float64(s.Tasks) {
				return math.Ldexp(1e-9, i)
			}
		}
		return 0 // not reached
	}
	s.HalfUnder, s.MostUnder = under(0.5), under(0.99)
	return &s
}
