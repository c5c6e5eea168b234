package api

import (
	"go/types"
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestNoForeignTypes: a user who has no use for xsync need not know that it is there.
func TestNoForeignTypes(t *testing.T) {
	for _, p := range load(t) {
		if p.IsExported() {
			assert.Empty(t, Foreign(p.Types), "the exported API of %s names these", p.Dir)
		}
	}
}

func TestForeignFindsThem(t *testing.T) {
	p := source(t, `package p
import "io"
type hidden struct{}
type Seen struct { Field []hidden; field hidden; R io.Reader }
func (Seen) Method(map[string]*hidden) error { return nil }
func Result[T any]() (T, chan hidden) { panic(0) }
func Constraint[T interface{ ~[]hidden }]() {}
type Of[T any] struct{}
var Arg Of[hidden]
func fine(hidden) {}
`)
	assert.Equal(t, []string{
		"Arg: " + Module + "/p.hidden",
		"Constraint: " + Module + "/p.hidden",
		"Result: " + Module + "/p.hidden",
		"Seen.Field: " + Module + "/p.hidden",
		"Seen.Method: " + Module + "/p.hidden",
	}, Foreign(p.Types))

	// A map of xsync, as a careless store might show it, and a queue of ours.
	for _, path := range []string{"github.com/puzpuzpuz/xsync/v3", Module + "/internal/queue"} {
		other := types.NewPackage(path, "other")
		name := types.NewTypeName(0, other, "MapOf", nil)
		named := types.NewNamed(name, types.NewStruct(nil, nil), nil)
		mine := types.NewPackage(Module+"/store/mine", "mine")
		mine.Scope().Insert(types.NewVar(0, mine, "M", types.NewPointer(named)))
		assert.Equal(t, []string{"M: " + path + ".MapOf"}, Foreign(mine))
	}
}

// variables are those that are not error sentinels, and why they are no state. No
// function may write to one of them.
var variables = map[string]string{
	"engine/enginetest.checks":           "a table: the checks, in order",
	"engine/enginetest.clauses":          "a table: the text of the contract",
	"engine/enginetest.describerChecks":  "a table: the checks of Describer",
	"engine/enginetest.offers":           "a table: the text of the optional interfaces",
	"engine/enginetest.retryablerChecks": "a table: the checks of Retryabler",
	"engine/enginetest.runLimits":        "a constant, as a struct: how long Run waits",
	"engine/enginetest.sizerChecks":      "a table: the checks of Sizer",
	"engine/enginetest.starterChecks":    "a table: the checks of StartMarker",
	"engine/enginetest.waiterChecks":     "a table: the checks of Waiter",
	"pool.ErrGoexit":                     "an error sentinel: that of store",
	"pool.ErrNotRun":                     "an error sentinel: that of store",
	"store/storetest.batchChecks":        "a table: the checks of BatchPutter",
	"store/storetest.boundaries":         "a table: the IDs at which things go wrong",
	"store/storetest.checks":             "a table: the checks, in order",
	"store/storetest.clauses":            "a table: the text of the contract",
	"store/storetest.offers":             "a table: the text of the optional interfaces",
	"store/storetest.recordChecks":       "a table: the checks of RecordPutter",
	"store/storetest.reserveChecks":      "a table: the checks of IDReserver",
	"store/storetest.sentinels":          "a table: the errors that a store has to keep",
}

// TestNoState: no package of the root module has a variable that changes, and
// none does anything when it is imported.
func TestNoState(t *testing.T) {
	seen := make(map[string]bool)
	for _, p := range load(t) {
		for _, name := range Variables(p) {
			name = p.Dir + "." + name
			seen[name] = true
			assert.Contains(t, variables, name, "a package-level variable that is no error sentinel: give it to a pool or a store")
		}
		assert.Empty(t, Writes(p), "%s changes package-level variables", p.Dir)
		// The function that makes storetest.boundaries makes a list and nothing else.
		assert.Empty(t, Inits(p, "boundaries"), "%s runs code when it is imported", p.Dir)
	}
	for _, name := range slices.Sorted(maps.Keys(variables)) {
		assert.True(t, seen[name], "%s is in the list and not in the code", name)
	}
}

func TestStateIsFound(t *testing.T) {
	p := source(t, `package p
import ("errors"; "fmt"; "sync"; "net/http")
var ErrA, ErrB = errors.New("a"), errors.New("b")
var ErrC = fmt.Errorf("c: %w", ErrA)
var ErrLater error
var ErrMade = made()
var cache = map[string]int{}
var mu sync.Mutex
var n, m int
var table = []int{1}
var at struct{ p *int }
var lazy = func() int { go made(); return 1 }()
var _ fmt.Stringer = nil
func made() error { return nil }
func init() {}
func f() {
	mu.Lock()
	cache["x"] = 1
	n++
	_ = &m
	table[0] = 2
	at.p = nil
	ErrLater = nil
	for table[0] = range 3 {}
	http.DefaultClient = nil
	n := 1
	n++
	_ = errors.Is(ErrA, ErrB) && len(table) > 0
}
`)
	assert.Equal(t, []string{"ErrLater", "ErrMade", "at", "cache", "lazy", "m", "mu", "n", "table"}, Variables(p))
	assert.Equal(t, []string{
		"p.go:17:2: mu", "p.go:18:2: cache", "p.go:19:2: n", "p.go:20:7: m", "p.go:21:2: table",
		"p.go:22:2: at", "p.go:23:2: ErrLater", "p.go:24:6: table", "p.go:25:7: DefaultClient",
	}, Writes(p))
	assert.Equal(t, []string{"p.go:15:1: init", "p.go:12:12: a function"}, Inits(p))
	assert.Equal(t, []string{"p.go:15:1: init"}, Inits(p, "lazy"))
}

// TestAllIsDocumented: every name that users see has a comment that is about it.
func TestAllIsDocumented(t *testing.T) {
	for _, p := range load(t) {
		if p.IsExported() {
			assert.Empty(t, Undocumented(p), "package %s", p.Dir)
		}
	}
}

func TestUndocumentedIsFound(t *testing.T) {
	p := source(t, `package p

// Group is about both.
var (
	A = 1
	B = 2
)
const C = 1
const D = 1 // D is documented

// S has X and Xyz.
type S struct {
	X int
	// Y is good.
	Y int
	Z int // in metres
	W int
	w int
	Xy int
}
type T struct{ hidden int }
func (S) M() {}
// N is good.
func (s *S) N() {}
type t struct { X int }
func (t) M() {}
type G[K any] interface { M(); m() }
func (*H[K, V]) M() {}
// H is good.
type H[K, V any] struct{}
func F() {}
`)
	assert.Equal(t, []string{"C", "F", "G", "G.M", "H.M", "S.M", "S.W", "S.Xy", "T", "package p"}, Undocumented(p))
	require.Empty(t, Undocumented(source(t, "// Package p is good.\npackage p")))
}
