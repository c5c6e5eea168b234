package storetest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"github.com/resultpool/resultpool/store"
)

// sentinels are the errors by which an Err is told from another. They are such
// as a store that encodes its results can know.
var sentinels = []error{
	context.Canceled,
	context.DeadlineExceeded,
	io.EOF,
	fs.ErrNotExist,
	store.ErrRejected,
	store.ErrNotRun,
	store.ErrGoexit,
}

// sentinelNames are the names of sentinels, in the same order.
var sentinelNames = []string{
	"context.Canceled", "context.DeadlineExceeded", "io.EOF", "fs.ErrNotExist",
	"store.ErrRejected", "store.ErrNotRun", "store.ErrGoexit",
}

// same reports whether got is the Result that was put as want.
func same(got, want store.Result[int]) bool {
	if got.ID != want.ID || got.Value != want.Value || (got.Err == nil) != (want.Err == nil) {
		return false
	}
	for _, s := range sentinels {
		if errors.Is(got.Err, s) != errors.Is(want.Err, s) {
			return false
		}
	}
	return true
}

// difference says what is wrong with got, which is not the same as want. If it is what the Err
// matches, the texts of the two may well be equal, and say nothing.
func difference(got, want store.Result[int]) string {
	if got.ID != want.ID || got.Value != want.Value || got.Err == nil || want.Err == nil {
		return fmt.Sprintf("want %+v", want)
	}
	var lost, gained []string
	for i, s := range sentinels {
		switch is, should := errors.Is(got.Err, s), errors.Is(want.Err, s); {
		case should && !is:
			lost = append(lost, sentinelNames[i])
		case is && !should:
			gained = append(gained, sentinelNames[i])
		}
	}
	var says []string
	if len(lost) > 0 {
		says = append(says, "whose Err does not match "+strings.Join(lost, ", ")+" under errors.Is, and that of what was put does")
	}
	if len(gained) > 0 {
		says = append(says, "whose Err matches "+strings.Join(gained, ", ")+" under errors.Is, and that of what was put does not")
	}
	return strings.Join(says, ", and ")
}
