package codec_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/store"
)

// benchmarked are results with a value of 128 bytes in JSON: one as most are, one with
// an error.
func benchmarked() []benchmark {
	value := strings.Repeat("x", 126)
	return []benchmark{
		{"err=none", store.Result[string]{ID: 1, Value: value}},
		{"err=not-run", store.Result[string]{ID: 1, Value: value, Err: fmt.Errorf("%w: %w", store.ErrNotRun, context.Canceled)}},
	}
}

type benchmark struct {
	name string
	res  store.Result[string]
}

func BenchmarkEncode(b *testing.B) {
	for _, bm := range benchmarked() {
		b.Run(bm.name, func(b *testing.B) {
			c := newCodec[string](b, nil)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := c.Encode(bm.res); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkDecode(b *testing.B) {
	for _, bm := range benchmarked() {
		b.Run(bm.name, func(b *testing.B) {
			c := newCodec[string](b, nil)
			data, err := c.Encode(bm.res)
			require.NoError(b, err)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := c.Decode(bm.res.ID, data); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
