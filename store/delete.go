package store

import (
	"context"
	"errors"
	"fmt"
)

// DeleteAll deletes the Results that st holds under ids: together if st is a [BatchDeleter], and otherwise one by
// one. An ID that is not held is not an error. It blocks for as long as st does, and may be called from any
// goroutine.
//
// When it returns nil, none of ids is held. After an error each of them may still be held or not, and DeleteAll may
// be called again with all of them. One by one, a result that cannot be deleted does not keep the others from being
// deleted: the error joins those of Delete, each with its ID. It stops early only when ctx is done or st returns
// [ErrClosed], and then says how many IDs are left.
func DeleteAll[R any](ctx context.Context, st ResultStore[R], ids []ID) error {
	if b, ok := st.(BatchDeleter[R]); ok {
		return b.DeleteBatch(ctx, ids)
	}
	var failed []error
	for i, id := range ids {
		if ctx.Err() != nil {
			return errors.Join(append(failed, left(len(ids)-i, context.Cause(ctx)))...)
		}
		switch err := st.Delete(ctx, id); {
		case errors.Is(err, ErrClosed):
			return errors.Join(append(failed, left(len(ids)-i, err))...)
		case err != nil:
			failed = append(failed, fmt.Errorf("store: deleting result %d: %w", id, err))
		}
	}
	return errors.Join(failed...)
}

func left(n int, err error) error {
	return fmt.Errorf("store: %d results are left to delete: %w", n, err)
}
