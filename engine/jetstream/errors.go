package jetstream

import (
	"errors"
	"slices"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/resultpool/resultpool/engine"
)

// Codes that have no name in the client.
const (
	codeStoreFailed jetstream.ErrorCode = 10077 // for a stream that is full, too
	codeUnderWay    jetstream.ErrorCode = 10158 // a message with this ID is being stored
)

// apiError returns the answer of the server in err, or nil.
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
	return api != nil && slices.Contains(codes, api.ErrorCode)
}

func isAny(err error, targets ...error) bool {
	return slices.ContainsFunc(targets, func(target error) bool { return errors.Is(err, target) })
}

// isFull reports whether a stream has no room: one of several failures with this code. The
// text is a constant of the server.
func isFull(err error) bool {
	return hasCode(err, codeStoreFailed) && strings.Contains(apiError(err).Description, "maximum")
}

func isUnderWay(err error) bool { return hasCode(err, codeUnderWay) }

// isThere reports whether there is a message on this subject already.
func isThere(err error) bool { return hasCode(err, jetstream.JSErrCodeStreamWrongLastSequence) }

// isSaving reports whether replicas are storing a message on this subject, which may fail.
func isSaving(err error) bool {
	return hasCode(err, jetstream.JSErrCodeStreamWrongLastSequenceConstant)
}

// An explainer is the way of a client to a server in this process. It adds to an error why the
// server stores nothing, while it does not: package embedded starts such a server again.
type explainer interface {
	Explain(err error) error
}

// explain adds to the error of a call what the server in this process says.
func (e *Engine) explain(err error) error {
	if server, ok := e.nc.Opts.InProcessServer.(explainer); ok && err != nil {
		return server.Explain(err)
	}
	return err
}

// Retryable reports whether a call that has returned err may succeed another time. It may not if the server permits
// too little, if tasks or results are gone with their stream, if the client has given up for good or the engine is
// closed, if a result is damaged, and if a task or a result is too large. If a server refuses the credentials or
// has no JetStream, it may: that can change.
func (e *Engine) Retryable(err error) bool {
	return !isAny(err, engine.ErrTooLarge, engine.ErrGone, engine.ErrClosed, nats.ErrPermissionViolation,
		nats.ErrConnectionClosed, errUnreadable)
}
