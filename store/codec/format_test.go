package codec_test

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/store"
)

// version1 are results as version 1 writes them, to the byte: the program of next year
// has to read them.
var version1 = []struct {
	part, value string
	res         store.Result[int]
}{
	{``, `7`, store.Result[int]{Value: 7}},
	{`{"text":"bad"}`, `7`, store.Result[int]{Value: 7, Err: errors.New("bad")}},
	{`{"text":"bad","zero":true}`, ``, store.Result[int]{Err: errors.New("bad")}},
	{`{}`, `7`, store.Result[int]{Value: 7, Err: errors.New("")}},
	{`{"text":{"base64":"/w=="}}`, `7`, store.Result[int]{Value: 7, Err: errors.New("\xff")}},
	{`{"text":"` + long + `"}`, `7`, store.Result[int]{Value: 7, Err: errors.New(long)}},
	{`{"text":"store: result rejected","is":["store.rejected"],"exact":"store.rejected"}`, `7`,
		store.Result[int]{Value: 7, Err: store.ErrRejected}},
	{`{"text":"store: result already exists","is":["store.exists"],"exact":"store.exists"}`, `7`,
		store.Result[int]{Value: 7, Err: store.ErrExists}},
	{`{"text":"store: result not found","is":["store.not_found"],"exact":"store.not_found"}`, `7`,
		store.Result[int]{Value: 7, Err: store.ErrNotFound}},
	{`{"text":"pool: task called runtime.Goexit","is":["pool.goexit"],"exact":"pool.goexit"}`, `7`,
		store.Result[int]{Value: 7, Err: store.ErrGoexit}},
	{`{"text":"pool: task not run: context canceled","is":["context.canceled","pool.not_run"]}`, `7`,
		store.Result[int]{Value: 7, Err: fmt.Errorf("%w: %w", store.ErrNotRun, context.Canceled)}},
	{`{"text":"a: context deadline exceeded","is":["context.deadline_exceeded"]}`, `7`,
		store.Result[int]{Value: 7, Err: fmt.Errorf("a: %w", context.DeadlineExceeded)}},
	{`{"text":"pool: recovered panic: x","panic":{"exact":true,"text":"x","stack":"s\n"}}`, `7`,
		store.Result[int]{Value: 7, Err: &store.PanicError{Value: "x", Stack: []byte("s\n")}}},
	{`{"text":"a: pool: recovered panic: context canceled","is":["context.canceled"],` +
		`"panic":{"text":"context canceled","error":` +
		`{"text":"context canceled","is":["context.canceled"],"exact":"context.canceled"},"stack":"s"}}`, `7`,
		store.Result[int]{Value: 7, Err: fmt.Errorf("a: %w", &store.PanicError{Value: context.Canceled, Stack: []byte("s")})}},
}

// long makes an error part whose length takes two bytes.
var long = strings.Repeat("x", 200)

// sealed puts a result together as version 1 does, but for the sum.
func sealed(part, value string) string {
	data := binary.AppendUvarint([]byte{1}, uint64(len(part)))
	return string(data) + part + value
}

func TestVersion1IsWritten(t *testing.T) {
	for _, v := range version1 {
		data, err := newCodec[int](t, nil).Encode(v.res)
		require.NoError(t, err)
		assert.Equal(t, string(summed(0, sealed(v.part, v.value))), string(data))
	}
}

func TestVersion1IsRead(t *testing.T) {
	for _, v := range version1 {
		res, err := newCodec[int](t, nil).Decode(0, summed(0, sealed(v.part, v.value)))
		require.NoError(t, err)
		assert.Equal(t, v.res.Value, res.Value)
		if v.res.Err == nil {
			assert.NoError(t, res.Err)
			continue
		}
		assert.EqualError(t, res.Err, v.res.Err.Error())
		for _, s := range builtin {
			assert.Equal(t, errors.Is(v.res.Err, s), errors.Is(res.Err, s), "%v matches %v", res.Err, s)
		}
		var want, got *store.PanicError
		assert.Equal(t, errors.As(v.res.Err, &want), errors.As(res.Err, &got))
		assert.Equal(t, want, got)
	}
}

// The sum of version 1, by another program's account (CRC-32C of 0000000000000007 and
// 010037, in hex).
func TestSumOfVersion1(t *testing.T) {
	data, err := newCodec[int](t, nil).Encode(store.Result[int]{ID: 7, Value: 7})
	require.NoError(t, err)
	assert.Equal(t, "01003716b1b9f2", hex.EncodeToString(data))
}
