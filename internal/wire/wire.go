// Package wire is where the types of a joined pool become bytes: its tasks on their way to an
// engine, and its results in both directions. Below it, package remote moves bytes; above it is
// the pool.
package wire

import (
	"context"
	"fmt"
	"reflect"

	"github.com/resultpool/resultpool/engine"
	"github.com/resultpool/resultpool/internal/remote"
	"github.com/resultpool/resultpool/internal/text"
	"github.com/resultpool/resultpool/store"
	"github.com/resultpool/resultpool/store/codec"
)

// A Wire writes and reads tasks of type T and results of type R.
type Wire[T, R any] struct {
	tasks   *codec.Codec[T]
	results *codec.Codec[R]
}

// New returns the wire that opts describes, where nil is JSON. known are errors under codes of
// their own that are to be themselves again when they are read, unless opts names them.
func New[T, R any](opts *codec.Options, known map[string]error) (*Wire[T, R], error) {
	switch t := reflect.TypeFor[T](); t.Kind() {
	case reflect.Func, reflect.Chan, reflect.UnsafePointer:
		return nil, fmt.Errorf("pool: tasks of type %v cannot be sent to another process; use one that can be written down", t)
	}
	if opts == nil {
		opts = &codec.Options{}
	}
	tasks, err := codec.New[T](&codec.Options{Values: opts.Values})
	if err != nil {
		return nil, fmt.Errorf("pool: Codec: %w", err)
	}
	results, err := codec.New[R](&codec.Options{Values: opts.Values, Errors: merged(known, opts.Errors)})
	if err != nil {
		return nil, fmt.Errorf("pool: Codec: %w", err)
	}
	return &Wire[T, R]{tasks, results}, nil
}

// merged adds users' errors to known, which belongs to it. A code or an error that both have is the
// user's.
func merged(known, users map[string]error) map[string]error {
	for code, err := range users {
		for ours, our := range known {
			if ours != code && our == err { //nolint:errorlint // which one it is, not what it matches
				delete(known, ours)
			}
		}
		known[code] = err
	}
	return known
}

// Describe makes sure that all who use the engine mean the same types.
func (w *Wire[T, R]) Describe(ctx context.Context, eng engine.Engine) error {
	d, ok := eng.(engine.Describer)
	if !ok {
		return nil
	}
	kind := w.tasks.Name() + " to " + w.results.Name()
	stored, err := d.Describe(ctx, kind)
	if err != nil {
		return text.Wrap("pool: joining the engine", err)
	}
	if stored != kind {
		return fmt.Errorf("pool: the engine's tasks are %s, and this pool's are %s; "+
			"join with a function of the same types, or open the engine under another name", stored, kind)
	}
	return nil
}

// EncodeTasks returns the bytes of tasks from in[first] on, as many as one Push takes.
func (w *Wire[T, R]) EncodeTasks(in []T, first int) (tasks [][]byte, err error) {
	size := 0
	for i := first; i < len(in) && len(tasks) < remote.MaxPush && size < remote.MaxPushBytes; i++ {
		data, err := w.tasks.EncodeValue(in[i])
		switch {
		case err != nil && len(in) > 1:
			return nil, text.Wrap(fmt.Sprintf("pool: the task at index %d", i), err)
		case err != nil:
			return nil, text.Wrap("pool: the task", err)
		}
		tasks = append(tasks, data)
		size += len(data)
	}
	return tasks, nil
}

// DecodeTask is the way back. A panic of the user's code is one of the task.
func (w *Wire[T, R]) DecodeTask(data []byte) (T, error) {
	in, err := w.tasks.DecodeValue(data)
	if err != nil {
		return in, fmt.Errorf("pool: the task: %w", err)
	}
	return in, nil
}

// DecodeResult returns the result whose bytes data are.
func (w *Wire[T, R]) DecodeResult(id store.ID, data []byte) (store.Result[R], error) {
	res, err := w.results.Decode(id, data)
	if err != nil {
		return res, fmt.Errorf("pool: %w", err)
	}
	return res, nil
}
