package bolt

import (
	"fmt"
	"time"

	"github.com/resultpool/resultpool/store/codec"
)

// Options are how a store is opened. nil is the zero value.
type Options struct {
	// Codec is how results become bytes; nil: as JSON, and then a type of which JSON
	// would lose something is refused. Register here, under Errors, the errors of your
	// own that have to match under errors.Is after the trip.
	Codec *codec.Options

	// Timeout is how long Open waits for a file that is in use, which it looks at
	// every 50 ms. 0: one second.
	Timeout time.Duration

	// NoSync does not wait for the disk: a power cut may lose results for which
	// Put has returned nil, and may leave a file that cannot be opened. A crash
	// of the process alone does neither.
	NoSync bool

	// Check has Open read all of the file, and return an error that names what is
	// damaged, if anything is. That takes as long as reading the file does, and decodes
	// each result. Without it, Open reads little, and damage to a result is found when
	// that is read. See Damage in the package's documentation.
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
