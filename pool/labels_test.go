package pool_test

import (
	"bytes"
	"context"
	"runtime"
	"runtime/pprof"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
	"github.com/resultpool/resultpool/store/rwmutex"
)

// ownLabels returns the pprof labels of the goroutine that calls it, as a profile shows them.
//
//go:noinline
func ownLabels() (labels string) {
	var profile bytes.Buffer
	_ = pprof.Lookup("goroutine").WriteTo(&profile, 1)
	for g := range strings.SplitSeq(profile.String(), "\n\n") {
		if strings.Contains(g, "pool_test.ownLabels") {
			_, labels, _ = strings.Cut(g, "# labels: ")
			labels, _, _ = strings.Cut(labels, "\n")
		}
	}
	return labels
}

// A labelStore notes the labels with which Put was called last.
type labelStore struct {
	store.ResultStore[int]
	labels string
}

func (s *labelStore) Put(ctx context.Context, res store.Result[int]) error {
	s.labels = ownLabels()
	return s.ResultStore.Put(ctx, res)
}

// No task, and no Put, has the pprof labels of a submitter or of a task before it, whoever has
// the worker started, and however that task has ended.
func TestNoForeignLabels(t *testing.T) {
	for name, leaves := range map[string]func() (int, error){
		"value":  func() (int, error) { return 1, nil },
		"error":  func() (int, error) { return 0, errTask },
		"panic":  func() (int, error) { panic(errTask) },
		"Goexit": func() (int, error) { runtime.Goexit(); return 0, nil },
	} {
		t.Run(name, func(t *testing.T) {
			pprof.Do(t.Context(), pprof.Labels("of", "submitter"), func(ctx context.Context) {
				require.Contains(t, ownLabels(), "submitter")
				st := &labelStore{ResultStore: rwmutex.New[int]()}
				p := newPoolIn(t, ctx, &pool.Options{Workers: 1}, st)
				var first, second string
				submit(t, p, func(ctx context.Context) (int, error) {
					first = ownLabels()
					pprof.SetGoroutineLabels(pprof.WithLabels(ctx, pprof.Labels("of", "task")))
					return leaves()
				})
				require.NoError(t, p.Wait(t.Context()))
				assert.Empty(t, first, "labels of the task for which the worker was started")
				assert.Empty(t, st.labels, "labels of its Put")
				submit(t, p, func(ctx context.Context) (int, error) {
					second = ownLabels()
					pprof.Do(ctx, pprof.Labels("and", "more"), func(context.Context) {})
					return 0, nil
				})
				require.NoError(t, p.Wait(t.Context()))
				assert.Empty(t, second, "labels of the task after one that has left some")
				assert.Empty(t, st.labels, "labels of a Put after a task that was given New's by pprof.Do")
				require.NoError(t, p.Stop(t.Context()))
			})
		})
	}
}
