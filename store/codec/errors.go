package codec

import (
	"slices"

	"github.com/resultpool/resultpool/internal/errwalk"
	texts "github.com/resultpool/resultpool/internal/text"
	"github.com/resultpool/resultpool/store"
)

// A keptError is an error after the trip.
type keptError struct {
	text     string
	codes    []string // all that were written, also those that this codec does not know
	exact    string   // the code of the sentinel that it was, if this codec does not know it
	known    []error  // those of codes that it knows
	panicked *store.PanicError
}

// Error returns the text of the error before the trip.
func (e *keptError) Error() string { return e.text }

// Unwrap returns the sentinels that it matches, and the panic that was in it.
func (e *keptError) Unwrap() []error {
	if e.panicked == nil {
		return e.known
	}
	return append(slices.Clone(e.known), e.panicked)
}

// panicsDeep is how many panics with the error of a panic are kept, with their
// stacks: a pool in a pool in a pool needs three.
const panicsDeep = 8

// describe is the way out. The error is that of a panic in err's methods.
func (known sentinels) describe(err error) (e *errorPart, failed error) {
	failed = guarded(func() error { e = known.part(err, err.Error(), 0); return nil })
	return e, failed
}

// part describes an error in a panic in a panic and so on, depth times.
func (known sentinels) part(err error, words string, depth int) *errorPart {
	e := &errorPart{Text: text(words)}
	e.Is, e.Exact = known.codes(err)

	// What another program knows and this one does not is handed on.
	if kept, ok := errwalk.As[*keptError](err); ok {
		e.Is = append(e.Is, kept.codes...)
		if err == error(kept) { //nolint:errorlint // which one it is
			e.Exact = kept.exact
		}
	}
	slices.Sort(e.Is)
	e.Is = slices.Compact(e.Is)

	if p, ok := errwalk.As[*store.PanicError](err); ok && depth < panicsDeep {
		e.Panic = &panicPart{
			Exact: err == error(p), //nolint:errorlint // which one it is
			Text:  text(texts.Of(p.Value)),
			Stack: text(p.Stack),
		}
		if v, ok := p.Value.(error); ok {
			e.Panic.Error = known.part(v, string(e.Panic.Text), depth+1)
		}
	}
	return e
}

// restore is the way back. It goes no deeper than part, whatever it is given.
func (known sentinels) restore(e *errorPart, depth int) error {
	if s := known.by(e.Exact); s != nil {
		return s
	}
	kept := &keptError{text: string(e.Text), codes: e.Is, exact: e.Exact}
	for _, code := range kept.codes {
		if s := known.by(code); s != nil {
			kept.known = append(kept.known, s)
		}
	}
	if e.Panic == nil || depth == panicsDeep {
		return kept
	}

	p := &store.PanicError{Value: string(e.Panic.Text)}
	if e.Panic.Error != nil {
		p.Value = known.restore(e.Panic.Error, depth+1)
	}
	if e.Panic.Stack != "" {
		p.Stack = []byte(e.Panic.Stack)
	}
	// The text of a PanicError is made of its value's. Where that is not the text
	// that it had, the text counts.
	if e.Panic.Exact && p.Error() == kept.text {
		return p
	}
	kept.panicked = p
	return kept
}
