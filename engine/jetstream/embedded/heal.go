package embedded

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"
)

const (
	lookEvery  = time.Second
	firstPause = time.Second
	maxPause   = 10 * time.Second
	healthy    = time.Minute // after this the pauses begin anew

	// leastRoom is how much has to fit on the disk before the server is started again: some
	// messages of the usual size, so that it is not started in vain each time that somebody
	// deletes a small file.
	leastRoom = 4 << 20
)

// A failure is the error while the server stores nothing.
type failure struct {
	dir    string
	reason error
}

func (f *failure) Error() string {
	return fmt.Sprintf("embedded: the server on %s stores nothing until it can write again: %v", f.dir, f.reason)
}

func (f *failure) Unwrap() error { return f.reason }

// watch starts the server again when it has failed and there is room, until Close: after a write has
// failed, a NATS server stores nothing more in that stream as long as it runs, and does not answer.
func (s *Server) watch() {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	pause, healed := firstPause, time.Now()
	for {
		select {
		case <-s.quit:
			return
		case <-tick.C:
		case <-s.alarm:
		}
		if time.Since(healed) > healthy {
			pause = firstPause
		}
		for s.fails() {
			if s.room() == nil {
				s.startAgain()
				healed = time.Now()
			}
			select {
			case <-s.quit:
				return
			case <-time.After(pause):
			}
			pause = min(2*pause, maxPause)
		}
	}
}

// fails reports whether the server stores nothing, and keeps the reason.
func (s *Server) fails() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch _, unwrote := s.heard.said(); {
	case s.srv == nil: // it could not be started again
		return true
	case unwrote != "":
		s.failed = &failure{s.dir, errors.New(unwrote)}
	case !s.srv.JetStreamEnabled():
		s.failed = &failure{s.dir, errors.New("JetStream has been disabled")}
	default:
		s.failed = nil
	}
	return s.failed != nil
}

// startAgain leaves the clients without a server for a moment. Those of this process ask for it
// until it is there, and the others come back to its address.
func (s *Server) startAgain() {
	s.stop()
	if err := s.launch(context.Background()); err != nil {
		s.mu.Lock()
		s.failed = &failure{s.dir, err}
		s.mu.Unlock()
	}
}

// room tries to write something. Asking the system how much is free would ignore quotas, and disks
// that have become read-only.
func (s *Server) room() error {
	f, err := os.OpenFile(s.roomFile(), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	block := make([]byte, 64<<10)
	_, _ = rand.Read(block) // zeros might take no room
	for n := 0; n < max(leastRoom, 2*s.opts.MaxPayload) && err == nil; n += len(block) {
		_, err = f.Write(block)
	}
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close(), os.Remove(f.Name()))
}

func (s *Server) roomFile() string { return filepath.Join(s.dir, "room") }

// inProcess is the server for clients of this process, whichever runs now.
type inProcess struct{ s *Server }

// Explain adds to the error of an engine why the server stores nothing, while it does not.
func (p inProcess) Explain(err error) error {
	p.s.mu.Lock()
	failed := p.s.failed
	p.s.mu.Unlock()
	if failed == nil {
		return err
	}
	return fmt.Errorf("%w: %w", err, failed)
}

// InProcessConn returns a connection to the server.
func (p inProcess) InProcessConn() (net.Conn, error) {
	p.s.mu.Lock()
	srv, failed := p.s.srv, p.s.failed
	p.s.mu.Unlock()
	switch {
	case srv != nil:
		return srv.InProcessConn()
	case failed != nil:
		return nil, failed
	}
	return nil, errors.New("embedded: the server does not run")
}
