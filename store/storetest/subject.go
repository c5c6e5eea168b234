package storetest

import (
	"context"
	"time"

	"github.com/resultpool/resultpool/store"
)

// A subject makes the stores that a check tries.
type subject struct {
	newStore func() store.ResultStore[int]
	perPut   time.Duration // what one Put takes, about; 0 if it is not known
}

// open returns a script on a fresh store.
func (s *subject) open(ctx context.Context) *script {
	return &script{ctx: ctx, st: s.newStore()}
}

// size returns how often a check repeats what costs it so many Puts: n times,
// or less for a slow store, so that the check takes about a second.
func (s *subject) size(n, puts int) int {
	if s.perPut <= 0 {
		return n
	}
	fits := int(time.Second/s.perPut) / puts
	return max(1, n/50, min(n, fits))
}
