package storetest

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/resultpool/resultpool/store"
)

func TestDifference(t *testing.T) {
	assert.Len(t, sentinelNames, len(sentinels))
	reading := fmt.Errorf("reading: %w", io.EOF)
	of := func(id store.ID, err error) store.Result[int] { return store.Result[int]{ID: id, Value: 7, Err: err} }
	for _, row := range []struct {
		got, want store.Result[int]
		says      string
	}{
		{of(1, nil), of(2, nil), "want {ID:2 Value:7 Err:<nil>}"},
		{store.Result[int]{ID: 1}, of(1, nil), "want {ID:1 Value:7 Err:<nil>}"},
		{of(1, nil), of(1, reading), "want {ID:1 Value:7 Err:reading: EOF}"},
		{of(1, io.EOF), of(1, nil), "want {ID:1 Value:7 Err:<nil>}"},
		{
			of(1, errors.New("reading: EOF")), of(1, reading),
			"whose Err does not match io.EOF under errors.Is, and that of what was put does",
		},
		{
			of(1, reading), of(1, errors.New("reading: EOF")),
			"whose Err matches io.EOF under errors.Is, and that of what was put does not",
		},
		{
			of(1, store.ErrGoexit), of(1, errors.Join(io.EOF, fs.ErrNotExist)),
			"whose Err does not match io.EOF, fs.ErrNotExist under errors.Is, and that of what was put does, " +
				"and whose Err matches store.ErrGoexit under errors.Is, and that of what was put does not",
		},
	} {
		assert.False(t, same(row.got, row.want))
		assert.Equal(t, row.says, difference(row.got, row.want))
	}
}
