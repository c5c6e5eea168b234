package api

import (
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// source makes a package of one file, as if it lay in the folder p.
func source(t *testing.T, text string) *Package {
	t.Helper()
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, "p.go", text, parser.ParseComments)
	require.NoError(t, err)
	p, err := check(fset, Module+"/p", []*ast.File{file}, importer.ForCompiler(fset, "source", nil))
	require.NoError(t, err)
	return p
}

func TestLines(t *testing.T) {
	p := source(t, `package p

import ("context"; "io")

const Size = 1 << 10
const Name string = "x"
const hidden = 1
var Err error
var F func(name string, more ...int) (n int, err error)

type ID uint64
func (id ID) String() string { return "" }
func (id *ID) Set(s string) {}

type Both = map[ID]io.Reader

type S[K comparable, V any] struct {
	A, B K
	io.Reader
	inner[V]
	Do func(ctx context.Context, v V) error
}
type inner[V any] struct { Promoted V; hidden V }
func (*inner[V]) Sees(v V) {}
func (*inner[V]) hides(v V) {}
func (s *S[K, V]) Get(k K) (v V, ok bool) { return }

type I[R any] interface {
	io.Closer
	Put(ctx context.Context, r R) error
	seal()
}
type Number interface { ~int | ~float64 }

func New[K comparable, V any](opts ...func(*S[K, V])) *S[K, V] { return nil }
func hiddenFunc() {}
`)
	assert.Equal(t, strings.Split(`pkg p, const Name string = "x"
pkg p, const Size untyped int = 1024
pkg p, func New[K comparable, V any](...func(*S[K, V])) *S[K, V]
pkg p, method (*ID) Set(string)
pkg p, method (*S[K, V]) Get(K) (V, bool)
pkg p, method (*S[K, V]) Sees(V)
pkg p, method (ID) String() string
pkg p, method (S[K, V]) Read([]byte) (int, error)
pkg p, type Both = map[ID]io.Reader
pkg p, type ID uint64
pkg p, type I[R any] interface { Close, Put, unexported methods }
pkg p, type I[R any] interface, Close() error
pkg p, type I[R any] interface, Put(context.Context, R) error
pkg p, type Number interface { ~int | ~float64 }
pkg p, type S[K comparable, V any] struct
pkg p, type S[K comparable, V any] struct, A K
pkg p, type S[K comparable, V any] struct, B K
pkg p, type S[K comparable, V any] struct, Do func(context.Context, V) error
pkg p, type S[K comparable, V any] struct, Promoted V
pkg p, type S[K comparable, V any] struct, embedded io.Reader
pkg p, type S[K comparable, V any] struct, unexported fields
pkg p, var Err error
pkg p, var F func(string, ...int) (int, error)`, "\n"), Lines(p.Types))
}
