package embedded

import (
	"fmt"
	"strings"
	"sync"
)

// lastWords is a logger that writes nothing. It keeps what the server says before it
// would exit, if it were a program of its own.
type lastWords struct {
	mu   sync.Mutex
	text string // guarded by mu
}

// Fatalf is called where the server cannot go on. It goes on, not knowing how.
func (l *lastWords) Fatalf(format string, v ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.text == "" {
		l.text = strings.TrimSpace(fmt.Sprintf(format, v...))
	}
}

func (l *lastWords) get() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text
}

// Noticef keeps nothing.
func (*lastWords) Noticef(string, ...any) {}

// Warnf keeps nothing.
func (*lastWords) Warnf(string, ...any) {}

// Errorf keeps nothing.
func (*lastWords) Errorf(string, ...any) {}

// Debugf keeps nothing.
func (*lastWords) Debugf(string, ...any) {}

// Tracef keeps nothing.
func (*lastWords) Tracef(string, ...any) {}
