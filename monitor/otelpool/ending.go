package otelpool

import (
	"errors"
	"fmt"
	"reflect"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/resultpool/resultpool/internal/text"
	"github.com/resultpool/resultpool/pool"
)

// An ending is how an attempt has ended.
type ending struct {
	err  error  // nil: well
	kind string // error.type, if it is not the type of err
}

// tell ends the span. A panic of err when it is printed does not reach the task.
func (e ending) tell(span trace.Span) {
	defer span.End()
	if e.err == nil || !span.IsRecording() {
		return
	}
	message := text.Of(e.err)
	if e.kind == "" {
		e.kind = typeOf(e.err)
	}
	event := []attribute.KeyValue{semconv.ExceptionType(e.kind), semconv.ExceptionMessage(message)}
	if p, ok := e.err.(*pool.PanicError); ok && e.kind == "panic" { //nolint:errorlint // of this attempt, and not one that fn has wrapped
		event = append(event, semconv.ExceptionStacktrace(string(p.Stack)))
	}
	span.AddEvent(semconv.ExceptionEventName, trace.WithAttributes(event...))
	span.SetAttributes(semconv.ErrorTypeKey.String(e.kind))
	span.SetStatus(codes.Error, message)
}

// typeOf returns the name of the type of err, or of what it wraps if it is a wrapper of package fmt, or of the
// pool, as RetryAfter's is. It is that of semconv.ErrorType, which goes round for ever in a chain that leads back to
// itself, as one of such wrappers alone cannot.
func typeOf(err error) string {
	for isWrapper(reflect.TypeOf(err)) {
		inner := errors.Unwrap(err)
		if inner == nil {
			break
		}
		err = inner
	}
	t := reflect.TypeOf(err)
	if t.PkgPath() != "" {
		return t.PkgPath() + "." + t.Name()
	}
	return t.String()
}

func isWrapper(t reflect.Type) bool {
	if t.Kind() != reflect.Pointer {
		return false
	}
	return t == reflect.TypeOf(fmt.Errorf("%w", pool.ErrGoexit)) || t.Elem().PkgPath() == reflect.TypeFor[pool.Options]().PkgPath()
}
