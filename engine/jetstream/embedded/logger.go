package embedded

import (
	"fmt"
	"strings"
	"sync"
)

// lastWords is a logger that writes nothing. It keeps what the server says before it would exit
// if it were a program of its own, and that it could not write.
type lastWords struct {
	alarm chan<- struct{} // has room for one

	mu      sync.Mutex
	text    string // guarded by mu
	unwrote string // guarded by mu
}

// Fatalf is called when the server cannot go on. As a library, it goes on all the same.
func (l *lastWords) Fatalf(format string, v ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.text == "" {
		l.text = strings.TrimSpace(fmt.Sprintf(format, v...))
	}
}

// Errorf hears that a stream stores nothing more. The server reports that only here: its own
// health check looks at what happened to the last message.
func (l *lastWords) Errorf(format string, v ...any) {
	text := fmt.Sprintf(format, v...)
	if !strings.Contains(strings.ToLower(text), "critical write error") {
		return
	}
	l.mu.Lock()
	if l.unwrote == "" {
		l.unwrote = text
	}
	l.mu.Unlock()
	select {
	case l.alarm <- struct{}{}:
	default:
	}
}

// said returns why the server cannot go on, and why it stores nothing more.
func (l *lastWords) said() (text, unwrote string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text, l.unwrote
}

// Noticef does nothing.
func (*lastWords) Noticef(string, ...any) {}

// Warnf does nothing.
func (*lastWords) Warnf(string, ...any) {}

// Debugf does nothing.
func (*lastWords) Debugf(string, ...any) {}

// Tracef does nothing.
func (*lastWords) Tracef(string, ...any) {}
