package store

import (
	"fmt"
	"math"
	"strconv"
)

// String returns the ID as a decimal number, as fmt prints it. JSON encodes an ID as a number, of which some
// readers keep only 53 bits: give them the string.
func (id ID) String() string { return strconv.FormatUint(uint64(id), 10) }

// ParseID returns the ID whose String is s. Anything else is an error and the ID 0: text that is not a number, a
// sign, a space, a leading zero, 0, or more than the largest uint64. So no two texts mean the same ID.
//
// That s is an ID says nothing about who may see the result that is held under it: see [ID].
func ParseID(s string) (ID, error) {
	n, err := strconv.ParseUint(s, 10, 64)
	if id := ID(n); err == nil && id != 0 && id.String() == s {
		return id, nil
	}
	return 0, fmt.Errorf("store: the ID is %.30q, want a number from 1 to %d", s, uint64(math.MaxUint64))
}
