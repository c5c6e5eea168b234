package bolt

import (
	"fmt"
	"time"

	"github.com/resultpool/resultpool/store/codec"
)

// Options are how a store is opened. nil means the zero value.
type Options struct {
	// Codec says how results are encoded; nil is JSON, and then a type of which JSON would lose something is
	// refused. Register here, under Errors, your own errors that must match under errors.Is when they are read
	// again.
	Codec *codec.Options

	// Timeout is how long Open waits for a file that is in use; it looks every 50 ms. 0 means one second. If it is
	// negative, Open returns an error.
	Timeout time.Duration

	// NoSync means not to wait for the disk: a power cut may lose results for which Put has returned nil, and may
	// leave a file that cannot be opened. A crash of the process alone does neither.
	NoSync bool

	// Check makes Open read the whole file, and return an error that names any damage. That takes as long as
	// reading the file, and decodes each result. Without it, Open reads little, and damage to a result is found
	// when the result is read. See Damage in the package's documentation.
	Check bool
}

const defaultTimeout = time.Second

// complete returns o with the defaults in place.
func (o *Options) complete() (Options, error) {
	if o == nil {
		o = &Options{}
	}
	c := *o
	if c.Timeout < 0 {
		return Options{}, fmt.Errorf("bolt: Timeout is %v, want 0 or more", c.Timeout)
	}
	if c.Timeout == 0 {
		c.Timeout = defaultTimeout
	}
	return c, nil
}
