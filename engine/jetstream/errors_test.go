package jetstream

import (
	"errors"
	"fmt"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/assert"

	"github.com/resultpool/resultpool/engine"
)

// TestFullIsNotEveryFailure has the server say with one code that a stream is full and that
// it cannot write.
func TestFullIsNotEveryFailure(t *testing.T) {
	stored := func(text string) error {
		return fmt.Errorf("nats: %w", &jetstream.APIError{Code: 503, ErrorCode: 10077, Description: text})
	}
	assert.True(t, isFull(stored("maximum messages exceeded")))
	assert.True(t, isFull(stored("maximum bytes exceeded")))
	assert.False(t, isFull(stored("no space left on device")))
	assert.False(t, isFull(&jetstream.APIError{Code: 503, ErrorCode: 10023, Description: "maximum"}))
	assert.False(t, isFull(errors.New("maximum messages exceeded")))
}

// TestThereIsNotOnItsWay has a server say that there is a result, and that its replicas are
// storing one.
func TestThereIsNotOnItsWay(t *testing.T) {
	refused := func(code jetstream.ErrorCode) error {
		return fmt.Errorf("nats: %w", &jetstream.APIError{Code: 400, ErrorCode: code})
	}
	assert.True(t, isThere(refused(10071)))
	assert.False(t, isSaving(refused(10071)))
	assert.True(t, isSaving(refused(10164)))
	assert.False(t, isThere(refused(10164)))
	assert.False(t, isThere(jetstream.ErrMsgNotFound))
}

func TestRetryable(t *testing.T) {
	e := &Engine{}
	for _, err := range []error{
		engine.ErrTooLarge, engine.ErrGone, engine.ErrClosed, nats.ErrPermissionViolation, nats.ErrConnectionClosed,
	} {
		assert.False(t, e.Retryable(fmt.Errorf("jetstream: push: %w", err)), err)
	}
	for _, err := range []error{
		engine.ErrFull, nats.ErrDisconnected, nats.ErrTimeout, jetstream.ErrNoStreamResponse,
		jetstream.ErrNoHeartbeat, jetstream.ErrAsyncPublishTimeout, errors.New("any other"),
		nats.ErrAuthorization, nats.ErrAuthExpired, nats.ErrAuthRevoked, nats.ErrAccountAuthExpired,
		jetstream.ErrJetStreamNotEnabled, jetstream.ErrJetStreamNotEnabledForAccount,
	} {
		assert.True(t, e.Retryable(fmt.Errorf("jetstream: push: %w", err)), err)
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
