package pool

import (
	"context"
	"log/slog"
	"time"

	"github.com/resultpool/resultpool/internal/backoff"
	"github.com/resultpool/resultpool/internal/text"
)

// log tells the user's logger, if there is one. It is user code, called with no lock held; if it panics, there
// is nobody left to tell.
func (p *Pool[T, R]) log(level slog.Level, msg string, attrs ...slog.Attr) {
	if p.logger == nil {
		return
	}
	defer func() { _ = recover() }()
	p.logger.LogAttrs(context.Background(), level, "resultpool: "+msg, append([]slog.Attr{slog.String("pool", p.name)}, attrs...)...)
}

// logPanic tells of the task of w, which has panicked.
func (p *Pool[T, R]) logPanic(w *worker[T, R]) {
	if err, ok := w.res.Err.(*PanicError); ok && p.logger != nil { //nolint:errorlint // call has made it
		p.log(slog.LevelError, "a task panicked", slog.Uint64("task", uint64(w.id)), slog.String("panic", text.Of(err.Value)),
			slog.String("stack", string(err.Stack)))
	}
}

// quietFor is how long the log says nothing of an outage after it has told of one: a store that fails now and
// then would fill it.
const quietFor = 10 * time.Second

// outageLog is what the log was told of outages. It is guarded by Pool.mu.
type outageLog struct {
	isOpen bool      // that one began, and not that it has ended
	since  time.Time // when that one began
	at     time.Time // when the log was told that one had begun, for the last time
	latest time.Time // when the latest failure was
}

// logOutage tells of a store or an engine that begins to fail, and of one that works again. An outage whose end
// nobody has seen, since nothing was tried any more, ends without a word: a failure that comes much later is of another.
func (p *Pool[T, R]) logOutage(o backoff.Outage, fails bool) {
	now := time.Now()
	p.mu.Lock()
	t := &p.told
	wasOpen, since := t.isOpen, t.since
	tells := wasOpen && !fails
	if fails {
		goesOn := wasOpen && now.Sub(t.latest) < quietFor
		tells = !goesOn && (t.at.IsZero() || now.Sub(t.at) >= quietFor)
		t.latest = now
	}
	if tells && fails {
		t.at, t.since = now, o.Since
	}
	if tells {
		t.isOpen = fails
	}
	p.mu.Unlock()
	switch {
	case !tells:
	case fails:
		p.log(slog.LevelWarn, "the store or the engine fails; trying again", slog.String("error", text.Of(o.Err)))
	default:
		p.log(slog.LevelInfo, "the store or the engine works again", slog.Duration("failed for", now.Sub(since)))
	}
}

// firstWord is after which time a call that waits tells the log what for. It tells again after twice as long.
const firstWord = 5 * time.Second

// awaitEnd waits for done or the end of ctx, for the method with that name, and tells the log that it does.
func (p *Pool[T, R]) awaitEnd(ctx context.Context, done <-chan struct{}, method string) {
	if p.logger == nil {
		select {
		case <-done:
		case <-ctx.Done():
		}
		return
	}
	for pause := firstWord; ; pause *= 2 {
		timer := time.NewTimer(pause)
		select {
		case <-done:
			timer.Stop()
			return
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
			p.logWait(method)
		}
	}
}

// logWait tells what a method waits for.
func (p *Pool[T, R]) logWait(method string) {
	s, running := p.Stats(), p.Running()
	attrs := []slog.Attr{
		slog.Uint64("queued", s.Queued), slog.Uint64("running", s.Running), slog.Uint64("unsaved", s.Unsaved),
		slog.Int("workers", s.Workers), slog.Any("running tasks", running[:min(len(running), 10)]),
	}
	if s.Failing.Err != nil {
		attrs = append(attrs, slog.Time("failing since", s.Failing.Since), slog.String("failing with", text.Of(s.Failing.Err)))
	}
	p.log(slog.LevelInfo, method+" waits", attrs...)
}
