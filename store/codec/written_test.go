package codec_test

import (
	"encoding/json"
	"math"
	"math/big"
	"testing"

	"github.com/resultpool/resultpool/store/codec"
)

const notUTF8 = "a string in it is not UTF-8"

// Strings that are not UTF-8 are found wherever they are, and what only looks so is not.
func TestStringsThatAreNotUTF8(t *testing.T) {
	requireRejected(t, nil, "a\xff.txt", nil, notUTF8)
	requireRejected(t, nil, map[string]int{"\xff": 1}, nil, notUTF8)
	requireRejected[any](t, nil, []any{"\xff"}, nil, notUTF8)
	requireRejected(t, nil, Itself{"\xff"}, nil, notUTF8)
	requireRejected(t, nil, InText{"\xff"}, nil, notUTF8)
	requireRejected(t, nil, []string{`\ufffd`, "\uFFFD", "\xff"}, nil, notUTF8)
	same(t, "\uFFFD", `\ufffd`, `\\ufffd`)
	same(t, []byte("\xff"))
	same(t, json.RawMessage(`"\ufffd"`))
	same(t, Itself{"\uFFFD"}, Itself{`\ufffd`})
	same[any](t, `\ufffd`)
}

// JSON writes such a string, and such a key, as it is, and reads it by UnmarshalText.
func TestStringsThatUnmarshalTextChanges(t *testing.T) {
	const says = "is written without MarshalText, and its UnmarshalText makes another of it"
	requireRejected(t, nil, Shout("a"), nil, says)
	requireRejected(t, nil, map[Shout]int{"a": 1}, nil, says)
	requireRejected(t, nil, QuotedText{"a"}, nil, says)
	same(t, Shout("A"))
	same(t, map[Shout][]Shout{"A": {"B"}})
	same(t, QuotedText{"A"})
	same(t, map[Grade]Grade{1: 2})
}

type (
	Count struct {
		Exact int64
		Some  any
	}
	Quoted struct {
		N int64 `json:",string"`
	}
	Numbers struct {
		N      int64
		hidden int64
	}
)

// Numbers are found that an interface would give back as others, and nowhere else.
func TestIntegersThatLoseDigits(t *testing.T) {
	const odd = int64(1<<53 + 1)
	for _, v := range []any{
		odd, -odd, uint64(math.MaxUint64), json.Number("9007199254740993"), json.Number("1e400"), json.RawMessage("[9007199254740993]"),
		int64(1152921504606847000), // as a float64 is written that is 24 less
		big.NewInt(odd), []int64{odd}, map[string]any{"a": []any{map[string]int64{"b": odd}}}, Numbers{N: odd}, &Numbers{N: odd},
	} {
		requireRejected(t, nil, v, nil, "in an interface, would come back as the float64 ")
		requireRejected(t, nil, map[string]any{"n": v}, nil, "in an interface, would come back as the float64 ")
		requireRejected(t, nil, Count{odd, v}, nil, "in an interface, would come back as the float64 ")
	}
	c := newCodec[any](t, nil)
	for _, v := range []any{
		int64(1 << 60), int64(math.MinInt64), "9007199254740993", Quoted{odd}, Numbers{hidden: odd}, json.Number("0.1"), json.RawMessage("[0.10000000000000001]"),
		map[int64]int{odd: 1}, nil, []byte("9007199254740993"),
	} {
		if _, err := c.EncodeValue([]any{v, int64(1 << 60)}); err != nil {
			t.Errorf("%#v: %v", v, err)
		}
	}
	same[any](t, 12345678901234567000.0, 1e300, 5e-324, -0.30000000000000004)
	same(t, Count{odd, "a"}, Count{math.MaxInt64, 1e300})
	same(t, json.Number("9007199254740993"))
	same(t, []json.RawMessage{json.RawMessage("9007199254740993")})
	requireRejected(t, &codec.Options{Values: &codec.JSON{}}, any(odd), nil, "would come back")
}
