package store_test

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/store"
)

func TestIDsAsText(t *testing.T) {
	for _, id := range []store.ID{1, 9, 10, 1<<53 + 1, 1 << 63, math.MaxUint64} {
		text := id.String()
		assert.Equal(t, fmt.Sprintf("%d", uint64(id)), text)
		assert.Equal(t, text, fmt.Sprint(id))
		parsed, err := store.ParseID(text)
		assert.NoError(t, err)
		assert.Equal(t, id, parsed)
	}
}

func TestParseIDBadInput(t *testing.T) {
	for _, s := range []string{
		"", " ", "0", "00", "01", "-1", "+1", "1 ", " 1", "1\n", "1.0", "1e3", "1_000", "0x1", "0b1", "ten", "१", "１",
		"18446744073709551616", "99999999999999999999999", strings.Repeat("1", 1<<20), "1\x00",
	} {
		id, err := store.ParseID(s)
		require.Error(t, err, "%.50q", s)
		assert.Zero(t, id, "%.50q", s)
		assert.ErrorContains(t, err, "want a number from 1 to 18446744073709551615")
		assert.Less(t, len(err.Error()), 300, "the text of a caller's input is cut")
	}
}
