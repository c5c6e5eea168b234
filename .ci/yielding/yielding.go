// Package yielding has the atomics of sync/atomic and a mutex, with yields around
// each operation: now and then one, and seldom so many that everybody else gets far
// ahead; or now and then a sleep, if the variable YIELDING is "sleep". The script
// .ci/yielding/copy puts it in the place of the originals.
package yielding

import (
	"math/rand/v2"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

var sleeps = os.Getenv("YIELDING") == "sleep"

func yield() {
	switch n := rand.IntN(64); {
	case n == 0 && sleeps:
		time.Sleep(time.Duration(rand.IntN(2000)) * time.Microsecond)
	case n == 0:
		for range rand.IntN(300) {
			runtime.Gosched()
		}
	case n < 16:
		runtime.Gosched()
	}
}

// around calls f between yields.
func around[V any](f func() V) V {
	yield()
	defer yield()
	return f()
}

// Uint64 is atomic.Uint64.
type Uint64 struct{ v atomic.Uint64 }

func (x *Uint64) Load() uint64           { return around(x.v.Load) }
func (x *Uint64) Store(new uint64)       { yield(); x.v.Store(new); yield() }
func (x *Uint64) Add(d uint64) uint64    { return around(func() uint64 { return x.v.Add(d) }) }
func (x *Uint64) Or(bits uint64) uint64  { return around(func() uint64 { return x.v.Or(bits) }) }
func (x *Uint64) And(bits uint64) uint64 { return around(func() uint64 { return x.v.And(bits) }) }
func (x *Uint64) CompareAndSwap(old, new uint64) bool {
	return around(func() bool { return x.v.CompareAndSwap(old, new) })
}

// Int64 is atomic.Int64.
type Int64 struct{ v atomic.Int64 }

func (x *Int64) Load() int64       { return around(x.v.Load) }
func (x *Int64) Store(new int64)   { yield(); x.v.Store(new); yield() }
func (x *Int64) Add(d int64) int64 { return around(func() int64 { return x.v.Add(d) }) }
func (x *Int64) CompareAndSwap(old, new int64) bool {
	return around(func() bool { return x.v.CompareAndSwap(old, new) })
}

// Uint32 is atomic.Uint32.
type Uint32 struct{ v atomic.Uint32 }

func (x *Uint32) Load() uint32     { return around(x.v.Load) }
func (x *Uint32) Store(new uint32) { yield(); x.v.Store(new); yield() }
func (x *Uint32) CompareAndSwap(old, new uint32) bool {
	return around(func() bool { return x.v.CompareAndSwap(old, new) })
}

// Int32 is atomic.Int32.
type Int32 struct{ v atomic.Int32 }

func (x *Int32) Load() int32       { return around(x.v.Load) }
func (x *Int32) Store(new int32)   { yield(); x.v.Store(new); yield() }
func (x *Int32) Add(d int32) int32 { return around(func() int32 { return x.v.Add(d) }) }

// Bool is atomic.Bool.
type Bool struct{ v atomic.Bool }

func (x *Bool) Load() bool         { return around(x.v.Load) }
func (x *Bool) Store(new bool)     { yield(); x.v.Store(new); yield() }
func (x *Bool) Swap(new bool) bool { return around(func() bool { return x.v.Swap(new) }) }

// Pointer is atomic.Pointer.
type Pointer[T any] struct{ v atomic.Pointer[T] }

func (x *Pointer[T]) Load() *T     { return around(x.v.Load) }
func (x *Pointer[T]) Store(new *T) { yield(); x.v.Store(new); yield() }
func (x *Pointer[T]) CompareAndSwap(old, new *T) bool {
	return around(func() bool { return x.v.CompareAndSwap(old, new) })
}

// Mutex is sync.Mutex.
type Mutex struct{ sync.Mutex }

func (m *Mutex) Lock()   { yield(); m.Mutex.Lock(); yield() }
func (m *Mutex) Unlock() { yield(); m.Mutex.Unlock(); yield() }
