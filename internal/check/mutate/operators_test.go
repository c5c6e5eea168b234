package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// specimen has a function for each operator that needs more than a line, and what the
// operator is to make of it: each change as it is listed.
const specimen = `package specimen

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
)

type box struct {
	mu sync.Mutex
	c  sync.Cond
	n  int
	a  atomic.Int64
}

func (b *box) unlock() { b.c.Signal(); b.mu.Unlock() }

func (b *box) lock() { b.mu.Lock(); b.n = 1; b.mu.Unlock() }

func (b *box) lockDefer() { b.mu.Lock(); defer b.mu.Unlock(); b.n = 1 }

func (b *box) lockOwn() { b.mu.Lock(); b.n = 1; b.unlock() }

func (b *box) broadcast() { b.c.Broadcast() }

func (b *box) run(f func()) { go f() }

func (b *box) pick(c chan int) int {
	select {
	case v := <-c:
		return v
	default:
	}
	return 0
}

func look(ctx context.Context) bool { return ctx.Err() != nil }

func (b *box) cas() bool { return b.a.CompareAndSwap(1, 2) }

func (b *box) store() { b.a.Store(3) }

func (b *box) swap(f, g func()) { f(); g(); b.n = 1; b.a = atomic.Int64{} }

func cond(a, b bool) int {
	if a && b {
		return 2
	}
	return 3
}

func relation(a, b int) bool { return a < b }

func arithmetic(a, b int) int { a++; a += b; return a - b }

func minmax(a, b int) int { return min(a, b) }

func boolean() bool { return true }

func assign() box { var b box; b.n++; b.n = 4; return box{n: 1, c: sync.Cond{}} }

func unused(x int) int { y := x; x = y; return x }

func branch(n int) {
	for {
		if n > 0 {
			break
		}
		switch n {
		case 1:
			return
		}
	}
}

func fail(bad bool) (int, error) {
	if bad {
		return 1, errors.New("bad")
	}
	return 1, nil
}

type failure struct{}

func (failure) Error() string { if true { return "a" }; return "b" }

const size = 16
`

func specimens(t *testing.T) []*mutant {
	t.Helper()
	dir := t.TempDir()
	t.Setenv("GOWORK", "off")
	require.NoError(t, os.Mkdir(filepath.Join(dir, "p"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "go.mod"), []byte("module specimen\n\ngo 1.25\n"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "p", "p.go"), []byte(specimen), 0o600))
	dir, err := filepath.EvalSymlinks(dir) // go list names folders so
	require.NoError(t, err)
	src, err := load(dir, "p")
	require.NoError(t, err)
	ms, broken := src.mutants(operators(), func(*mutant) (ok, known bool) { return false, false })
	assert.NotEmpty(t, broken)
	return ms
}

func TestOperators(t *testing.T) {
	ms := specimens(t)
	of := func(fn, op string) (changes []string) {
		for _, m := range ms {
			if m.fn == fn && m.op == op {
				changes = append(changes, strings.TrimPrefix(m.change(), op+": "))
			}
		}
		return changes
	}
	for _, c := range []struct {
		fn, op string
		want   []string
	}{
		{"box.lock", "lock", []string{"b.mu.Lock() -> no lock", "b.mu.Lock() -> lock just before the unlock"}},
		{"box.lock", "unlock", []string{"b.mu.Unlock() -> nothing"}},
		{"box.lock", "call", []string{"b.mu.Lock() -> nothing"}},
		{"box.lockDefer", "lock", []string{"b.mu.Lock() -> no lock", "b.mu.Lock() -> lock just before the unlock"}},
		{"box.lockDefer", "defer", []string{"defer b.mu.Unlock() -> b.mu.Unlock()"}},
		{"box.lockOwn", "lock", []string{"b.mu.Lock() -> lock just before the unlock"}},
		{"box.unlock", "signal", []string{"b.c.Signal() -> nothing"}},
		{"box.broadcast", "broadcast", []string{"b.c.Broadcast() -> b.c.Signal()"}},
		{"box.broadcast", "signal", []string{"b.c.Broadcast() -> nothing"}},
		{"box.run", "go", []string{"go f() -> nothing", "go f() -> f()"}},
		{"box.pick", "select", []string{"case case v := <-c: return v -> nothing", "case default: -> nothing"}},
		{"look", "context", []string{"ctx.Err() -> error(nil)"}},
		{"box.cas", "cas", []string{
			"b.a.CompareAndSwap(1, 2) -> func() bool { b.a.Store(2); return true }()",
			"b.a.CompareAndSwap(1, 2) -> true", "b.a.CompareAndSwap(1, 2) -> false",
		}},
		{"box.store", "atomic", []string{"b.a.Store(3) -> nothing"}},
		{"box.swap", "swap", []string{"f() -> g()", "g() -> b.n = 1"}},
		{"cond", "negate", []string{"a && b -> !(a && b)"}},
		{"cond", "cond", []string{"a && b -> false", "a && b -> true", "a -> true", "b -> true"}},
		{"cond", "logic", []string{"a && b -> (a) || (b)"}},
		{"relation", "relation", []string{"a < b -> a <= b"}},
		{"arithmetic", "arithmetic", []string{"a++ -> a--", "a += b -> a -= b", "a - b -> a + b"}},
		{"minmax", "minmax", []string{"min(a, b) -> max(a, b)"}},
		{"boolean", "bool", []string{"true -> false"}},
		{"assign", "assign", []string{"b.n++ -> nothing", "b.n = 4 -> nothing", "n: 1 -> nothing", "c: sync.Cond{} -> nothing"}},
		{"unused", "assign", []string{"x = y -> nothing"}},
		{"branch", "branch", []string{"break -> nothing", "break -> continue", "case 1: return -> nothing", "return -> nothing"}},
		{"fail", "error", []string{`errors.New("bad") -> nil`}},
		{"fail", "constant", []string{"1 -> 2", "1 -> 0", "1 -> 2", "1 -> 0"}},
		{"", "constant", []string{"16 -> 17", "16 -> 15"}},
	} {
		assert.Equal(t, c.want, of(c.fn, c.op), "%s of %s", c.op, c.fn)
	}
	for _, m := range ms {
		assert.NotEqual(t, "failure.Error", m.fn, "the texts of errors are left as they are")
	}
}

// TestLateLockKeepsTheRest looks at a mutant that changes two places.
func TestLateLockKeepsTheRest(t *testing.T) {
	i := slices.IndexFunc(specimens(t), func(m *mutant) bool { return m.fn == "box.lockDefer" && m.to == "lock just before the unlock" })
	require.GreaterOrEqual(t, i, 0)
	m := specimens(t)[i]
	text := string(apply([]byte(specimen), m.edits))
	assert.Contains(t, text, "func (b *box) lockDefer() { ; defer func() { b.mu.Lock(); b.mu.Unlock() }(); b.n = 1 }")
}

// TestIDsSurviveLineShifts moves everything, and nothing gets another ID.
func TestIDsSurviveLineShifts(t *testing.T) {
	a := &mutant{file: "f.go", fn: "f", line: 1, op: "call", text: "g()", from: "g()"}
	b := &mutant{file: "f.go", fn: "f", line: 2, op: "call", text: "g()", from: "g()"}
	identify([]*mutant{a, b})
	assert.NotEqual(t, a.id, b.id, "the same line twice in a function is two places")
	c := &mutant{file: "f.go", fn: "f", line: 101, op: "call", text: "g()", from: "g()"}
	d := &mutant{file: "f.go", fn: "f", line: 102, op: "call", text: "h(g())", from: "g()"}
	identify([]*mutant{c, d})
	assert.Equal(t, a.id, c.id)
	assert.NotEqual(t, b.id, d.id)
}
