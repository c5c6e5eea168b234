package linear

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/anishathalye/porcupine"

	"github.com/resultpool/resultpool/store"
)

// storeCall is what a store is asked, about one ID.
type storeCall struct {
	kind    storeKind
	id      store.ID
	version int // what is put, 1 or more; no two Puts of an ID have the same
}

type storeKind int

const (
	put storeKind = iota
	get
	del
	loop // what a loop over All has shown of this ID
)

// storeReply is what the store has answered.
type storeReply struct {
	verdict verdict
	version int // what was found
}

type verdict int

const (
	done    verdict = iota // nil
	exists                 // ErrExists
	found                  // by Get, or yielded by All
	missing                // ErrNotFound, or not yielded by All
	wrong                  // what no store may answer
)

// storeModel is one ID of a store: a variable that holds a version, or 0.
//
// The IDs of a store have nothing to do with each other, so a history has an order
// if and only if the part of each ID has one.
//
// A loop over All reads every ID at one moment or other between the loop's
// beginning and its end. A Result that is yielded was held at a moment before it
// was yielded. One that is not was missing at some moment: clause 5 asks for each
// that is held from the beginning to the end, which is to say at every moment.
func storeModel() porcupine.Model {
	return porcupine.Model{
		Partition: partition(func(c storeCall) store.ID { return c.id }),
		Init:      func() any { return 0 },
		Step: func(state, input, output any) (bool, any) {
			version, c, r := state.(int), input.(storeCall), output.(storeReply)
			switch {
			case c.kind == put && r.verdict == done:
				return version == 0, c.version
			case c.kind == put:
				return r.verdict == exists && version != 0, version
			case c.kind == del:
				return r.verdict == done, 0
			case r.verdict == found: // get or loop
				return version != 0 && version == r.version, version
			default:
				return r.verdict == missing && version == 0, version
			}
		},
		DescribeOperation: func(input, output any) string {
			return fmt.Sprintf("%v -> %v", input.(storeCall), output.(storeReply))
		},
		DescribeState: func(state any) string {
			if state == 0 {
				return "not held"
			}
			return fmt.Sprintf("holds %d", state)
		},
	}
}

func (c storeCall) String() string {
	switch c.kind {
	case put:
		return fmt.Sprintf("Put(%d, %d)", c.id, c.version)
	case get:
		return fmt.Sprintf("Get(%d)", c.id)
	case del:
		return fmt.Sprintf("Delete(%d)", c.id)
	default:
		return fmt.Sprintf("All, of %d", c.id)
	}
}

func (r storeReply) String() string {
	switch r.verdict {
	case done:
		return "nil"
	case exists:
		return "exists"
	case found:
		return fmt.Sprintf("found %d", r.version)
	case missing:
		return "not found"
	default:
		return "what no store may answer"
	}
}

// result is the Result that is put as that version of an ID. Every other one has
// an error, which a store must not give to another version.
func result(id store.ID, version int) store.Result[int] {
	res := store.Result[int]{ID: id, Value: version}
	switch version % 4 {
	case 1:
		res.Err = io.EOF
	case 3:
		res.Err = context.Canceled
	}
	return res
}

// read says which version a Result is, if it is one of that ID.
func read(id store.ID, res store.Result[int]) storeReply {
	want := result(id, res.Value)
	if res.ID != id || !errors.Is(res.Err, want.Err) || res.Err != nil && want.Err == nil {
		return storeReply{verdict: wrong}
	}
	return storeReply{verdict: found, version: res.Value}
}
