package text

// Because returns an error that matches both what and why, the reason for it.
//
// Unlike fmt.Errorf, making it calls no method of the two, one of which is the user's: so it
// may be made with a lock held, and if making the text fails, the error is still there.
func Because(what, why error) error { return &because{what, why} }

type because struct{ what, why error }

func (e *because) Error() string   { return Of(e.what) + ": " + Of(e.why) }
func (e *because) Unwrap() []error { return []error{e.what, e.why} }

// What returns what of an error that Because has made, and any other error as it is. It calls no method.
func What(err error) error {
	if e, ok := err.(*because); ok { //nolint:errorlint // itself
		return e.what
	}
	return err
}

// Wrap is fmt.Errorf("what: %w", why), except that the text is made when it is asked for, as
// with [Because].
func Wrap(what string, why error) error { return &wrapped{what, why} }

type wrapped struct {
	what string
	why  error
}

func (e *wrapped) Error() string { return e.what + ": " + Of(e.why) }
func (e *wrapped) Unwrap() error { return e.why }
