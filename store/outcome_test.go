package store_test

import (
	"context"
	"errors"
	"iter"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/resultpool/resultpool/store"
	"github.com/resultpool/resultpool/store/rwmutex"
)

// endless panics with itself when its text is asked for, and fmt.Sprint with it.
type endless struct{}

func (e *endless) Error() string { panic(e) }

const noText = "(*store_test.endless, whose text cannot be had: the method that makes it panics)"

func TestPanicErrorTextPanics(t *testing.T) {
	assert.EqualError(t, &store.PanicError{Value: 7}, "pool: recovered panic: 7")
	assert.EqualError(t, &store.PanicError{Value: &endless{}}, "pool: recovered panic: "+noText)
}

// unprintable is a store with two results that cannot be read.
type unprintable struct {
	store.ResultStore[int]
	errs []error
}

func (u unprintable) All(context.Context) iter.Seq2[store.Result[int], error] {
	return func(yield func(store.Result[int], error) bool) {
		for i, err := range u.errs {
			if !yield(store.Result[int]{ID: store.ID(i + 1)}, err) {
				return
			}
		}
	}
}

// An error without a text does not hide those beside it.
func TestSnapshotTextPanics(t *testing.T) {
	bad, other := &endless{}, errors.New("cannot be read")
	all, err := store.Snapshot(t.Context(), unprintable{rwmutex.New[int](), []error{bad, nil, other}})
	assert.Len(t, all, 1)
	assert.ErrorIs(t, err, bad)
	assert.ErrorIs(t, err, other)
	assert.EqualError(t, err, noText+"\ncannot be read")
}
