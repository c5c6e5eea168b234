package store_test

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/resultpool/resultpool/store"
	"github.com/resultpool/resultpool/store/dense"
)

// A copy of what is held, for a caller who wants it all at once.
func ExampleSnapshot() {
	ctx := context.Background()
	st := dense.New[string]()
	_ = st.Put(ctx, store.Result[string]{ID: 1, Value: "one"})
	_ = st.Put(ctx, store.Result[string]{ID: 2, Value: "two"})

	results, err := store.Snapshot(ctx, st)
	if err != nil {
		fmt.Println(err)
		return
	}
	_ = st.Delete(ctx, 1) // the copy does not change
	for _, id := range slices.Sorted(maps.Keys(results)) {
		fmt.Println(id, results[id].Value)
	}
	// Output:
	// 1 one
	// 2 two
}

// A store keeps every result until it is deleted, so a program that runs for long
// deletes what it has read. The body of the loop may call the store.
func ExampleResultStore_deleteAsYouRead() {
	ctx := context.Background()
	st := dense.New[string]()
	_ = st.Put(ctx, store.Result[string]{ID: 1, Value: "one"})
	_ = st.Put(ctx, store.Result[string]{ID: 2, Err: context.Canceled})

	for res, err := range st.All(ctx) {
		switch {
		case err != nil && res.ID == 0:
			fmt.Println("the store failed:", err)
			return
		case err != nil:
			fmt.Println(res.ID, "cannot be read:", err)
		case res.Err != nil:
			fmt.Println(res.ID, "failed:", res.Err)
		default:
			fmt.Println(res.ID, res.Value)
		}
		if err := st.Delete(ctx, res.ID); err != nil {
			fmt.Println("still there:", err)
		}
	}

	left, err := store.Snapshot(ctx, st)
	fmt.Println(len(left), "left,", err)
	// Unordered output:
	// 1 one
	// 2 failed: context canceled
	// 0 left, <nil>
}

// Many results that have been read are deleted together: in a store on a disk that takes as long
// as to delete one.
func ExampleDeleteAll() {
	ctx := context.Background()
	st := dense.New[string]()
	_ = st.Put(ctx, store.Result[string]{ID: 1, Value: "one"})
	_ = st.Put(ctx, store.Result[string]{ID: 2, Value: "two"})

	var read []store.ID
	for res, err := range st.All(ctx) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(res.Value)
		read = append(read, res.ID)
	}
	if err := store.DeleteAll(ctx, st, read); err != nil {
		fmt.Println("some are still there:", err)
	}
	left, err := store.Snapshot(ctx, st)
	fmt.Println(len(left), "left,", err)
	// Unordered output:
	// one
	// two
	// 0 left, <nil>
}
