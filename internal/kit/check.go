package kit

import (
	"fmt"
	"strings"
)

// A Contract is what a kit checks, word for word as the package of the interface has it.
type Contract struct {
	Package   string            // "store"
	Interface string            // that has the clauses: "ResultStore"
	Clauses   []string          // by number; there is no clause 0
	Offers    map[string]string // what else is promised, by the names of optional interfaces
}

// A Check tries one thing that a contract promises, on a subject of type S.
//
// Try returns, or fails by [Failf]. When it ends, none of its goroutines is left.
type Check[S any] struct {
	Clauses []int  // ascending
	Offer   string // or else a key of the contract's Offers
	Name    string
	Try     func(S)
	Waits   bool // most of the time
}

// FullName is the check's name as a subtest: "clause=2/put-held-id".
func (c Check[S]) FullName() string {
	switch n := len(c.Clauses); n {
	case 0:
		return c.Offer + "/" + c.Name
	case 1:
		return fmt.Sprintf("clause=%d/%s", c.Clauses[0], c.Name)
	default:
		return fmt.Sprintf("clause=%d-%d/%s", c.Clauses[0], c.Clauses[n-1], c.Name)
	}
}

// promise quotes what c is about.
func (c Check[S]) promise(of *Contract) string {
	if c.Offer != "" {
		return fmt.Sprintf("%s.%s: %s", of.Package, c.Offer, of.Offers[c.Offer])
	}
	var b strings.Builder
	for i, n := range c.Clauses {
		if i > 0 {
			b.WriteByte('\n')
		}
		fmt.Fprintf(&b, "Clause %d of %s.%s: %s", n, of.Package, of.Interface, of.Clauses[n])
	}
	return b.String()
}
