// Package optional has a store that wraps another offer what that one does, and no more.
package optional

import "github.com/resultpool/resultpool/store"

// All is a store with all of the optional interfaces.
type All[R any] interface {
	store.ResultStore[R]
	store.RecordPutter[R]
	store.BatchDeleter[R]
	store.IDReserver
}

type (
	base[R any]    = store.ResultStore[R]
	batches[R any] = store.BatchPutter[R]
	records[R any] = store.RecordPutter[R]
	deletes[R any] = store.BatchDeleter[R]
)

// Of returns w, which wraps st, as a store that has the optional interfaces of st and no
// others. w's methods of those are never called.
//
// There is no shorter way to it: a method that is there is one that the caller finds, and a
// type parameter cannot be embedded.
func Of[R any](st store.ResultStore[R], w All[R]) store.ResultStore[R] {
	type offers struct{ batches, records, deletes, reserves bool }
	var o offers
	_, o.batches = st.(batches[R])
	_, o.records = st.(records[R])
	_, o.deletes = st.(deletes[R])
	_, o.reserves = st.(store.IDReserver)
	if o.records {
		o.batches = false // it is one of the methods of a RecordPutter
	}
	switch o {
	case offers{records: true, deletes: true, reserves: true}:
		return w
	case offers{records: true, deletes: true}:
		return struct {
			base[R]
			records[R]
			deletes[R]
		}{w, w, w}
	case offers{records: true, reserves: true}:
		return struct {
			base[R]
			records[R]
			store.IDReserver
		}{w, w, w}
	case offers{records: true}:
		return struct {
			base[R]
			records[R]
		}{w, w}
	case offers{batches: true, deletes: true, reserves: true}:
		return struct {
			base[R]
			batches[R]
			deletes[R]
			store.IDReserver
		}{w, w, w, w}
	case offers{batches: true, deletes: true}:
		return struct {
			base[R]
			batches[R]
			deletes[R]
		}{w, w, w}
	case offers{batches: true, reserves: true}:
		return struct {
			base[R]
			batches[R]
			store.IDReserver
		}{w, w, w}
	case offers{batches: true}:
		return struct {
			base[R]
			batches[R]
		}{w, w}
	case offers{deletes: true, reserves: true}:
		return struct {
			base[R]
			deletes[R]
			store.IDReserver
		}{w, w, w}
	case offers{deletes: true}:
		return struct {
			base[R]
			deletes[R]
		}{w, w}
	case offers{reserves: true}:
		return struct {
			base[R]
			store.IDReserver
		}{w, w}
	default:
		return struct{ base[R] }{w}
	}
}
