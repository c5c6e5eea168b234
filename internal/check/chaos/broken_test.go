package chaos

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/resultpool/resultpool/internal/check/broken"
	"github.com/resultpool/resultpool/internal/check/oracle"
)

// TestOracleRejectsBroken shows that the oracle can fail: each of these pools has one
// fault, and is rejected within a few rounds, in bubbles and outside. So the rounds do
// come to where the contract has something to say.
func TestOracleRejectsBroken(t *testing.T) {
	for _, f := range broken.Faults {
		if f.NoChaos {
			continue
		}
		t.Run(f.Name, func(t *testing.T) {
			rejected(t, true, f.Make)
			if !f.Hangs {
				rejected(t, false, f.Make)
			}
		})
	}
}

// rejected plays rounds of one kind until one fails.
func rejected(t *testing.T, bubble bool, newPool oracle.Maker) {
	t.Helper()
	seed := uint64(0)
	for range 1000 {
		for seed++; InBubble(seed) != bubble; seed++ {
		}
		if err := playAll(t, []uint64{seed}, newPool); err != nil {
			t.Logf("bubble %t: rejected by seed %d: %.200v", bubble, seed, err)
			return
		}
	}
	assert.Fail(t, "a broken pool was not rejected", "bubble %t", bubble)
}
