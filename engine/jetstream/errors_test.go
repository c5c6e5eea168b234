package jetstream

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/assert"

	"github.com/resultpool/resultpool/engine"
)

// TestErrors says what is known after an error: that the stream is full, which the server says with the
// code of other failures; that there is a result, or that replicas are storing one; that a message is
// certainly not stored; and that it is no use to try again.
func TestErrors(t *testing.T) {
	says := func(code jetstream.ErrorCode, text string) error {
		return fmt.Errorf("nats: %w", &jetstream.APIError{Code: 503, ErrorCode: code, Description: text})
	}
	is := map[string]func(error) bool{
		"full": isFull, "there": isThere, "saving": isSaving, "refused": isRefusal,
		"final": func(err error) bool { return !(&Engine{}).Retryable(err) },
	}
	for known, errs := range map[string][]error{
		"full refused": {says(10077, "maximum messages exceeded"), says(10077, "maximum bytes exceeded")},
		"refused": {
			says(10077, "no space left on device"), says(10023, "maximum"), says(10047, ""), says(10002, ""), says(10054, ""),
			says(10109, ""), nats.ErrReconnectBufExceeded, jetstream.ErrNoStreamResponse, jetstream.ErrMsgNotFound,
			jetstream.ErrJetStreamNotEnabled, jetstream.ErrJetStreamNotEnabledForAccount,
		},
		"there refused":  {says(10071, "")},
		"saving refused": {says(10164, "")},
		"refused final":  {nats.ErrConnectionClosed},
		"final":          {engine.ErrTooLarge, engine.ErrGone, engine.ErrClosed, nats.ErrPermissionViolation},
		"": {
			says(10158, ""), nats.ErrTimeout, nats.ErrDisconnected, jetstream.ErrAsyncPublishTimeout, jetstream.ErrInvalidJSAck,
			context.Canceled, errNoAnswer, errors.New("maximum messages exceeded"), engine.ErrFull, jetstream.ErrNoHeartbeat,
			nats.ErrAuthorization, nats.ErrAuthExpired, nats.ErrAuthRevoked, nats.ErrAccountAuthExpired,
		},
	} {
		for _, err := range errs {
			for what, is := range is {
				assert.Equal(t, slices.Contains(strings.Fields(known), what), is(fmt.Errorf("jetstream: push: %w", err)), "%s: %v", what, err)
			}
		}
	}
}

func TestErrorsShowNoPasswords(t *testing.T) {
	for url, want := range map[string]string{
		"nats://10.0.0.7:4222":               "nats://10.0.0.7:4222",
		"nats://me:secret@a:1, nats://tok@b": "nats://xxxxx@a:1, nats://xxxxx@b",
		"me:secret@a:1":                      "xxxxx@a:1",
		"me:sec@ret@a:1":                     "xxxxx@a:1",
		"token@a":                            "xxxxx@a",
		"nats://me:se%zzcret@a:1":            "nats://xxxxx@a:1",
		"nats://me:se@cret@a:1":              "nats://xxxxx@a:1",
		"nats://me:se,cret@a:1":              "nats://xxxxx@a:1",
		"nats://to/ken@a:1":                  "nats://xxxxx@a:1",
		"10.0.0.7:4222":                      "10.0.0.7:4222",
	} {
		assert.Equal(t, want, withoutPasswords(url))
	}
}
