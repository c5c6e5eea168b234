package jetstream

import (
	"errors"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/resultpool/resultpool/engine"
)

// Codes that have no name in the client.
const (
	codeStoreFailed jetstream.ErrorCode = 10077 // also for a stream that is full
	codeUnderWay    jetstream.ErrorCode = 10158 // a message with this ID is being stored
)

func apiError(err error) *jetstream.APIError {
	var api *jetstream.APIError
	if errors.As(err, &api) {
		return api
	}
	var js jetstream.JetStreamError
	if errors.As(err, &js) {
		return js.APIError()
	}
	return nil
}

func hasCode(err error, codes ...jetstream.ErrorCode) bool {
	api := apiError(err)
	if api == nil {
		return false
	}
	for _, code := range codes {
		if api.ErrorCode == code {
			return true
		}
	}
	return false
}

// isFull tells the one of several failures with this code that says that there is no
// room. The text is the server's constant.
func isFull(err error) bool {
	return hasCode(err, codeStoreFailed) && strings.Contains(apiError(err).Description, "maximum")
}

func isUnderWay(err error) bool { return hasCode(err, codeUnderWay) }

// isThere tells that a message on this subject is there already.
func isThere(err error) bool { return hasCode(err, jetstream.JSErrCodeStreamWrongLastSequence) }

// isSaving tells that replicas are storing a message on this subject, which may fail.
func isSaving(err error) bool {
	return hasCode(err, jetstream.JSErrCodeStreamWrongLastSequenceConstant)
}

// Retryable reports whether a call that has returned err may succeed another time. It
// may not if the server permits too little, if tasks or results are gone with their stream,
// if the client has given up for good or the engine is closed, if a result is damaged, and
// if a task or a result is too large. Whoever refuses the credentials, or has no JetStream, may do otherwise
// tomorrow.
func (e *Engine) Retryable(err error) bool {
	for _, never := range []error{
		engine.ErrTooLarge, engine.ErrGone, engine.ErrClosed, nats.ErrPermissionViolation, nats.ErrConnectionClosed, errUnreadable,
	} {
		if errors.Is(err, never) {
			return false
		}
	}
	return true
}
