//go:build unix

package outage

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
	"github.com/resultpool/resultpool/store/codec"
)

// A job is a task. N is used once in a test.
type job struct {
	N      uint64
	Cost   time.Duration // how long it takes
	Poison bool          // kills its process
	Gated  bool          // waits until the gate is open
}

// A proof is a value that proves itself.
type proof struct {
	N   uint64
	Sum string // of N
	By  string // the run of the task that it is from: the first that was saved, for ever
}

// errSeventh is the error of every seventh task.
var errSeventh = errors.New("every seventh task fails")

func prove(n uint64) (proof, error) {
	sum := sha256.Sum256(fmt.Append(nil, n))
	p := proof{N: n, Sum: hex.EncodeToString(sum[:])}
	if n%7 == 0 {
		return p, errSeventh
	}
	return p, nil
}

// isRight reports whether res is the result of task n.
func isRight(res store.Result[proof], n uint64) bool {
	want, err := prove(n)
	want.By = res.Value.By
	return want.By != "" && res.Value == want && (err == nil && res.Err == nil || err != nil && errors.Is(res.Err, err))
}

// options are those that all pools here have.
func options(workers int) *pool.Options {
	return &pool.Options{
		Workers: workers,
		Codec:   &codec.Options{Errors: map[string]error{"outage.seventh": errSeventh}},
	}
}
