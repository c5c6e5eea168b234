package embedded

import (
	"context"
	"errors"

	"github.com/resultpool/resultpool/engine"
)

// Push is that of jetstream.Engine. As with the methods below, an error says as well why
// the server stores nothing, while it does not.
func (e *Engine) Push(ctx context.Context, key string, tasks [][]byte) ([]uint64, error) {
	ids, err := e.Engine.Push(ctx, key, tasks)
	return ids, e.server.explain(err)
}

// Pull is that of jetstream.Engine.
func (e *Engine) Pull(ctx context.Context, limit int) ([]engine.Delivery, error) {
	ds, err := e.Engine.Pull(ctx, limit)
	return ds, e.server.explain(err)
}

// Save is that of jetstream.Engine.
func (e *Engine) Save(ctx context.Context, recs []engine.Record) error {
	return e.server.explain(e.Engine.Save(ctx, recs))
}

// Load is that of jetstream.Engine.
func (e *Engine) Load(ctx context.Context, id uint64) ([]byte, error) {
	data, err := e.Engine.Load(ctx, id)
	return data, e.server.explain(err)
}

// Delete is that of jetstream.Engine.
func (e *Engine) Delete(ctx context.Context, ids []uint64) error {
	return e.server.explain(e.Engine.Delete(ctx, ids))
}

// Wait is that of jetstream.Engine.
func (e *Engine) Wait(ctx context.Context, id uint64) ([]byte, error) {
	data, err := e.Engine.Wait(ctx, id)
	return data, e.server.explain(err)
}

// MarkStart is that of jetstream.Engine.
func (e *Engine) MarkStart(ctx context.Context, id uint64, n int) (int, error) {
	starts, err := e.Engine.MarkStart(ctx, id, n)
	return starts, e.server.explain(err)
}

// Size is that of jetstream.Engine.
func (e *Engine) Size(ctx context.Context) (uint64, error) {
	n, err := e.Engine.Size(ctx)
	return n, e.server.explain(err)
}

// Retryable is that of jetstream.Engine, but that a server that stores nothing, for which
// it may look as if it had no JetStream, is started again.
func (e *Engine) Retryable(err error) bool {
	var failed *failure
	if errors.As(err, &failed) && !errors.Is(err, engine.ErrTooLarge) && !errors.Is(err, engine.ErrClosed) {
		return true
	}
	return e.Engine.Retryable(err)
}
