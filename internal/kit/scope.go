package kit

import (
	"context"
	"sync"
	"testing"
)

// A scope is the testing.TB that stands for a subtest where a subject is made. It ends, with
// its Context and Cleanup, under the run's watch. The subtest's own Cleanup could hang the
// test binary: to close a subject may wait for a call that has hung.
type scope struct {
	testing.TB
	ctx    context.Context
	cancel context.CancelFunc

	mu       sync.Mutex
	cleanups []func() // guarded by mu
}

func newScope(tb testing.TB) *scope {
	ctx, cancel := context.WithCancel(tb.Context())
	return &scope{TB: tb, ctx: ctx, cancel: cancel}
}

// Context is done once the check has ended, before Cleanup functions are called.
func (s *scope) Context() context.Context { return s.ctx }

// Cleanup has f called when the check has ended, last added first.
func (s *scope) Cleanup(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cleanups = append(s.cleanups, f)
}

// end calls the Cleanup functions, all of them even if one panics.
func (s *scope) end() {
	s.cancel()
	if f := s.last(); f != nil {
		defer s.end()
		f()
	}
}

func (s *scope) last() func() {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.cleanups)
	if n == 0 {
		return nil
	}
	f := s.cleanups[n-1]
	s.cleanups = s.cleanups[:n-1]
	return f
}
