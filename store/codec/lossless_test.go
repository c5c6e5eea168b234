package codec_test

import (
	"encoding/json"
	"io/fs"
	"math/big"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/store"
	"github.com/resultpool/resultpool/store/codec"
)

// For each rule a type that JSON would not bring back, and one that it does.
type (
	Unexported struct {
		Name   string
		cached bool
	}
	UnexportedLeftOut struct {
		Name   string
		cached bool `json:"-"`
	}
	UnexportedDeep  struct{ Index map[string][]*Unexported }
	UnexportedEmpty struct {
		_    [7]byte
		mark struct{}
		Name string
	}
	Locked        struct{ sync.Mutex }
	LockedLeftOut struct {
		sync.Mutex `json:"-"`
		Name       string
	}
	LeftOut struct {
		Name  string
		Cache *Unexported `json:"-"`
		Done  chan int    `json:"-"`
		Notes []string    `json:",omitempty"`
	}

	Failed       struct{ Err error }
	FailedInText struct{ Err string }
	Anything     struct{ V any }
	Fruit        interface{ Peel() }

	TwiceLeftOut struct {
		A string `json:"n"`
		N string `json:"-"`
	}
	Twice struct {
		Name string
		B    string `json:"Name"`
	}
	InCase struct {
		ID string
		Id string //nolint:revive,staticcheck // JSON tells the two apart
	}
	BadName struct { // of which JSON takes A's own name
		A string `json:"a\\b"` //nolint:staticcheck // what becomes of it is the question
		B string `json:"A"`
	}
	base   struct{ Name string }
	Hiding struct {
		base
		Name string
	}
	Embedding struct {
		base
		Age int
	}
	EmbeddingNamed struct {
		Base base `json:"base"`
		Name string
	}
	Other     struct{ Name string }
	Ambiguous struct {
		base
		Other
	}
	EmbeddingPointer         struct{ *base }
	EmbeddingExportedPointer struct{ *Other }
	text                     string
	EmbeddingText            struct{ text } //nolint:unused // JSON leaves it out
	EmbeddingItself          struct {
		*EmbeddingItself
		Name string
	}
	Tree struct {
		Name     string
		Children []*Tree
		Parent   *Tree
	}

	Stamped struct {
		time.Time
		Name string
	}
	StampedOnly  struct{ time.Time }
	StampedNamed struct {
		At   time.Time
		Name string
	}
	StampedItself struct {
		time.Time
		name string
	}
	StampedTwice struct {
		time.Time
		*big.Int
	}
	Pear struct{ json.Marshaler }

	Itself   struct{ name string }
	InText   struct{ name string }
	Redacted struct{ Name string }
	Lenient  struct{ Name string }
	Level    int

	Hex struct{ n int }

	StampedPointer struct{ *time.Time }
	Wrapped        struct{ StampedPointer }
	StampedHere    struct{ At *time.Time }
	Size           int // has UnmarshalText only
	Shout          string
	Grade          int
	QuotedGrade    struct {
		G *Grade `json:",string"`
	}
	QuotedText struct {
		S Shout `json:",string"`
	}
	left  struct{ n int } //nolint:unused // used by JSON, if at all
	right struct{ n int } //nolint:unused // likewise
	Pair  struct {        // has two MarshalJSON, and so none
		left  `json:"l"` //nolint:unused // likewise
		right `json:"r"` //nolint:unused // likewise
	}
	Box[T any] struct{ in T } // whose methods are those of the compiler's instances
	Labelled   struct {
		Box[int]
		Label string
	}
)

func (s StampedItself) MarshalJSON() ([]byte, error)     { return json.Marshal(s.name) }
func (s *StampedItself) UnmarshalJSON(data []byte) error { return json.Unmarshal(data, &s.name) }
func (i *Itself) MarshalJSON() ([]byte, error)           { return json.Marshal(i.name) }
func (i *Itself) UnmarshalJSON(data []byte) error        { return json.Unmarshal(data, &i.name) }
func (i InText) MarshalText() ([]byte, error)            { return []byte(i.name), nil }
func (i *InText) UnmarshalText(data []byte) error        { i.name = string(data); return nil }
func (Redacted) MarshalJSON() ([]byte, error)            { return []byte(`"***"`), nil }
func (l *Lenient) UnmarshalJSON(data []byte) error {
	type plain Lenient
	return json.Unmarshal(data, (*plain)(l))
}

func (s *Size) UnmarshalText([]byte) error { return nil }
func (s *Shout) UnmarshalText(data []byte) error {
	*s = Shout(strings.ToUpper(string(data)))
	return nil
}
func (g Grade) MarshalText() ([]byte, error)      { return []byte{byte('A' + g)}, nil }
func (g *Grade) UnmarshalText(data []byte) error  { *g = Grade(data[0] - 'A'); return nil }
func (l left) MarshalJSON() ([]byte, error)       { return json.Marshal(l.n) }          //nolint:unused // likewise
func (l *left) UnmarshalJSON(data []byte) error   { return json.Unmarshal(data, &l.n) } //nolint:unused // likewise
func (r right) MarshalJSON() ([]byte, error)      { return json.Marshal(r.n) }          //nolint:unused // likewise
func (r *right) UnmarshalJSON(data []byte) error  { return json.Unmarshal(data, &r.n) } //nolint:unused // likewise
func (b Box[T]) MarshalJSON() ([]byte, error)     { return json.Marshal(b.in) }
func (b *Box[T]) UnmarshalJSON(data []byte) error { return json.Unmarshal(data, &b.in) }

func (Level) MarshalText() ([]byte, error) { return []byte("info"), nil }
func (Hex) MarshalText() ([]byte, error)   { return nil, nil }

var _ = []any{Unexported{}.cached, UnexportedLeftOut{}.cached, UnexportedEmpty{}.mark, Hex{}.n} // what only JSON looks at

// typed is New and ForReading of one R.
type typed struct {
	refusal    func() error
	forReading func() error
}

func of[R any]() typed {
	return typed{
		func() error { _, err := codec.New[R](nil); return err },
		func() error { _, err := codec.ForReading[R](nil); return err },
	}
}

// Whether JSON brings an R back, as far as its type tells. "" is yes.
func TestTypes(t *testing.T) {
	for _, test := range []struct {
		r    typed
		says string
		way  string
	}{
		{of[Unexported](), "its field cached is not exported", "export it, tag it `json:\"-\"` if it may come back zero, give codec_test.Unexported MarshalJSON"},
		{of[*Unexported](), "its field cached is not exported", "export it"},
		{of[[]Unexported](), "its element [].cached is not exported", "export it"},
		{of[UnexportedDeep](), "its field Index[][].cached is not exported", "export it"},
		{of[struct{ n int }](), "its field n is not exported", "export it"},
		{of[sync.Mutex](), "its field ", "export it"},
		{of[Locked](), "its field Mutex.", "export it"},
		{of[url.URL](), "its field User.username is not exported", "export it"},
		{of[UnexportedLeftOut](), "", ""},
		{of[UnexportedEmpty](), "", ""},
		{of[LockedLeftOut](), "", ""},
		{of[LeftOut](), "", ""},
		{of[struct{}](), "", ""},

		{of[Failed](), "its field Err is of type error, an interface", "declare the type that is in it, or its text"},
		{of[error](), "it is of type error, an interface", "declare the type"},
		{of[[]error](), "its element [] is of type error", "declare the type"},
		{of[map[string]*error](), "its element [] is of type error", "declare the type"},
		{of[Fruit](), "it is of type codec_test.Fruit, an interface", "declare the type"},
		{of[fs.FileInfo](), "it is of type fs.FileInfo, an interface", "declare the type"},
		{of[json.Marshaler](), "it is of type json.Marshaler, an interface", "declare the type"},
		{of[FailedInText](), "", ""},
		{of[Anything](), "", ""},
		{of[any](), "", ""},

		{of[Twice](), `its field B has the same name in JSON, "Name", as Name`, "another name by a tag"},
		{of[[]Twice](), `its element [].B has the same name in JSON, "Name", as [].Name`, "another name"},
		{of[BadName](), `its field B has the same name in JSON, "A", as A`, "another name"},
		{of[Hiding](), `its field Name has the same name in JSON, "Name", as base.Name`, "or what is embedded, another name"},
		{of[Ambiguous](), `its field Other.Name has the same name in JSON, "Name", as base.Name`, "another name"},
		{of[TwiceLeftOut](), "", ""},
		{of[InCase](), "", ""},
		{of[Embedding](), "", ""},
		{of[EmbeddingNamed](), "", ""},

		{of[EmbeddingPointer](), "its field base is not exported", "export it"},
		{of[EmbeddingText](), "its field text is not exported", "export it"},
		{of[EmbeddingItself](), "its field EmbeddingItself is embedded in itself", "give it a name"},
		{of[EmbeddingExportedPointer](), "", ""},
		{of[Tree](), "", ""},

		{of[Stamped](), "its field Name is left out, since the MarshalJSON of codec_test.Stamped is that of an embedded field", "give codec_test.Stamped its own, or the embedded field a name"},
		{of[StampedTwice](), "its field Time.wall is not exported", "export it"},
		{of[Pear](), "it is written by the MarshalJSON of codec_test.Pear, which has nothing to read that", "give it UnmarshalJSON"},
		{of[StampedPointer](), "its field Time is nil when JSON calls its UnmarshalJSON, which is that of codec_test.StampedPointer as well", "embed what it points to"},
		{of[[]Wrapped](), "its element [].StampedPointer.Time is nil when JSON calls its UnmarshalJSON", "give it a name"},
		{of[Labelled](), "its field Label is left out, since the MarshalJSON of codec_test.Labelled is that of an embedded field", "give"},
		{of[StampedHere](), "", ""},
		{of[Box[chan int]](), "", ""},
		{of[StampedOnly](), "", ""},
		{of[StampedNamed](), "", ""},
		{of[StampedItself](), "", ""},

		{of[Redacted](), "it is written by the MarshalJSON of codec_test.Redacted, which has nothing to read that", "give it UnmarshalJSON"},
		{of[[]Level](), "its element [] is written by the MarshalText of codec_test.Level", "give it UnmarshalJSON"},
		{of[Size](), "it is read by the UnmarshalText of codec_test.Size, which has nothing to write a text", "give it MarshalText"},
		{of[QuotedGrade](), "its field G has the option string in its tag, and JSON reads it otherwise than its type writes it", "leave out the option"},
		{of[Pair](), "its field left is not exported", "export it"},
		{of[QuotedText](), "", ""},
		{of[Quoted](), "", ""},
		{of[map[Grade]Grade](), "", ""},
		{of[map[string]Itself](), "its element [] is of type codec_test.Itself in a map, where JSON does not call MarshalJSON", "have pointers in the map"},
		{of[map[string][2]big.Int](), "its element [][] is of type big.Int in a map", "have pointers in the map"},
		{of[Itself](), "", ""},
		{of[map[string]*Itself](), "", ""},
		{of[map[string][]Itself](), "", ""},
		{of[InText](), "", ""},
		{of[map[string]InText](), "", ""},
		{of[Lenient](), "", ""},
		{of[[]time.Time](), "", ""},
		{of[json.RawMessage](), "", ""},

		{of[map[float64]int](), "it has keys of type float64, which JSON cannot read", "have keys that are strings or integers"},
		{of[map[Level]int](), "it has keys of type codec_test.Level", "have keys"},
		{of[map[any]int](), "it has keys of type interface {}", "have keys"},
		{of[struct{ M map[Hex]int }](), "its field M has keys of type codec_test.Hex", "MarshalText and UnmarshalText"},
		{of[map[store.ID]int](), "", ""},
		{of[map[text]int](), "", ""},
		{of[map[InText]int](), "", ""},

		{of[chan int](), "it is of type chan int, which JSON does not take", "have something that can be written down"},
		{of[struct{ F func() }](), "its field F is of type func(), which JSON does not take", "something"},
		{of[[]complex128](), "its element [] is of type complex128", "something"},
		{of[struct{ F [0]func() }](), "", ""},
	} {
		err := test.r.refusal()
		require.NoError(t, test.r.forReading())
		if test.says == "" {
			assert.NoError(t, err)
			continue
		}
		require.ErrorContains(t, err, "codec: ")
		assert.ErrorContains(t, err, " as json would not come back as it was: "+test.says)
		assert.ErrorContains(t, err, test.way)
		assert.ErrorContains(t, err, "or set Options.Values")
	}
	_, err := codec.New[Unexported](&codec.Options{Values: Gob{}})
	assert.NoError(t, err, "with Values of its own")
	_, err = codec.New[Unexported](&codec.Options{Values: &codec.JSON{}})
	assert.ErrorContains(t, err, "not exported")
}

// What was written before types were refused can be read, and nothing is written.
func TestForReading(t *testing.T) {
	c, err := codec.ForReading[Unexported](nil)
	require.NoError(t, err)
	res, err := c.Decode(7, summed(7, "\x01\x00"+`{"Name":"a"}`))
	require.NoError(t, err)
	assert.Equal(t, Unexported{Name: "a"}, res.Value)
	for _, res := range []store.Result[Unexported]{{ID: 7}, {ID: 7, Err: store.ErrNotRun}} {
		_, err = c.Encode(res)
		assert.ErrorIs(t, err, store.ErrRejected)
		assert.ErrorContains(t, err, "codec: result 7: github.com/resultpool/resultpool/store/codec_test.Unexported as json would not come back as it was")
	}
	_, err = c.EncodeValue(Unexported{})
	assert.ErrorContains(t, err, "its field cached is not exported")

	_, err = codec.ForReading[int](&codec.Options{Errors: map[string]error{"x": nil}})
	assert.ErrorContains(t, err, `Errors["x"] is nil`)
	readable, err := codec.ForReading[int](nil)
	require.NoError(t, err)
	assert.Equal(t, 3, trip(t, readable, store.Result[int]{ID: 7, Value: 3}).Value)
}
