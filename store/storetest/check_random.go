package storetest

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/resultpool/resultpool/internal/kit"
	"github.com/resultpool/resultpool/store"
)

// randomOperations compares the store with a plain map through sequences of
// operations that are random but the same in every run.
func randomOperations(s *subject) {
	const steps = 1000
	for seed := range uint64(s.size(8, steps/3)) {
		rng := rand.New(rand.NewPCG(seed, 0))
		o := s.open()
		model := make(map[store.ID]store.Result[int])
		history := make(map[store.ID][]string)
		for step := range steps {
			id := store.ID(1000 + rng.IntN(40)) // across a power of two
			if n := rng.IntN(20); n < 10 {
				id = 1<<32 - 5 + store.ID(n)
			}
			if err := kit.Try(func() { o.operate(rng.IntN(100), recorded(id, 1+step), model, history) }); err != nil {
				kit.Failf("seed %d, step %d: %w\nuntil then, on ID %d: %s", seed, step, err, id, strings.Join(history[id], ", "))
			}
		}
		o.holdsOnly(model)
	}
}

// operate does one operation, about the ID of res, on the store and on its model.
func (o *script) operate(op int, res store.Result[int], model map[store.ID]store.Result[int], history map[store.ID][]string) {
	id := res.ID
	did := func(what string) { history[id] = append(history[id], what) }
	_, held := model[id]
	switch {
	case op < 40 && held:
		did(fmt.Sprintf("Put(%d)", res.Value))
		o.refuse(res)
	case op < 40:
		did(fmt.Sprintf("Put(%d)", res.Value))
		model[id] = res
		o.put(res)
	case op < 70:
		did("Get")
	case op < 98:
		did("Delete")
		delete(model, id)
		o.del(id)
	default:
		o.holdsOnly(model)
	}
	if want, held := model[id]; held {
		o.has(want)
	} else {
		o.lacks(id)
	}
}

// recorded returns the Result that is put with that value. Every third has an
// error, so that one can tell if the parts of two are mixed.
func recorded(id store.ID, value int) store.Result[int] {
	res := store.Result[int]{ID: id, Value: value}
	if value%3 == 0 {
		res.Err = sentinels[value/3%len(sentinels)]
	}
	return res
}
