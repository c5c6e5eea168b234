package embedded

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/resultpool/resultpool/engine/jetstream/internal/folder"
)

// launch starts a NATS server and writes down where it listens, for those who join. Start calls
// it, and watch. ctx ends the reading of the directory.
func (s *Server) launch(ctx context.Context) error {
	so, err := serverOptions(s.dir, &s.opts)
	if err != nil {
		return err
	}
	// Credentials that cannot be read, or that others could read, are made anew.
	was, _ := folder.Read(s.dir)
	noted := was
	switch {
	case s.opts.DontListen:
		noted.URL = ""
	case s.opts.User != "" || so.TLSVerify:
		noted = folder.Server{URL: was.URL}
	default:
		if noted, err = withCredentials(noted, so.TLSConfig != nil); err != nil {
			return err
		}
		so.Username, so.Password = noted.User, noted.Password
		if so.TLSConfig == nil {
			cert, err := ownCertificate(noted)
			if err != nil {
				return err
			}
			so.TLSConfig = &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS13}
			so.AllowNonTLS = true
		}
	}
	if so.Port == server.RANDOM_PORT {
		so.Port = lastPort(was.URL, so.Host)
	}
	// The server makes its own directory for its owner alone, but a copy may be open to others.
	if err := folder.Hide(filepath.Join(s.dir, server.JetStreamStoreDir)); err != nil {
		return err
	}
	found, err := checkFolder(ctx, s.dir, s.opts.LosesOnPowerCut)
	if err != nil {
		return err
	}
	_ = os.Remove(s.roomFile()) // a process that was killed may have left it
	srv, heard, err := s.run(so)
	if err != nil {
		return err
	}
	if err := found.compareServer(srv); err != nil {
		shutDown(srv)
		return err
	}
	at := ""
	if !s.opts.DontListen {
		at = srv.ClientURL()
		if s.opts.TLS == nil { // then clients need no TLS
			at = strings.Replace(at, "tls://", "nats://", 1)
		}
		noted.URL = forThisMachine(at)
	}
	if noted != was {
		if err := folder.Write(s.dir, noted); err != nil {
			shutDown(srv)
			return err
		}
	}
	if !s.opts.LosesOnPowerCut {
		s.marker = startMarker(s.dir, srv)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.noted, s.srv, s.heard, s.url, s.failed = noted, srv, heard, at, nil
	return nil
}

// run starts a NATS server and waits until it has read its directory.
func (s *Server) run(so *server.Options) (*server.Server, *lastWords, error) {
	srv, err := server.NewServer(so)
	if err != nil {
		return nil, nil, err
	}
	heard := &lastWords{alarm: s.alarm}
	srv.SetLogger(heard, false, false) // no debug, no trace
	srv.Start()
	switch text, _ := heard.said(); {
	case text != "":
		err = fmt.Errorf("the server says: %s", text)
	case !srv.JetStreamEnabled():
		err = errors.New("the server has not started JetStream")
	case !srv.ReadyForConnections(time.Second):
		err = errors.New("the server does not listen")
	}
	if err != nil {
		shutDown(srv)
		return nil, nil, err
	}
	return srv, heard, nil
}

// stop shuts down what launch has started, if anything.
func (s *Server) stop() {
	s.mu.Lock()
	srv := s.srv
	s.srv = nil
	s.mu.Unlock()
	if srv == nil {
		return
	}
	if s.marker != nil {
		s.marker.stop()
	}
	shutDown(srv)
	if s.marker != nil {
		_ = s.marker.closed()
		s.marker = nil
	}
}

func shutDown(srv *server.Server) {
	srv.Shutdown()
	srv.WaitForShutdown()
}

// credentials are what clients have to give, if anything.
func (s *Server) credentials() (user, password string) {
	if s.opts.User != "" || s.opts.DontListen {
		return s.opts.User, s.opts.Password
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.noted.User, s.noted.Password
}

// lastPort is the port where the server listened before, so that those who have joined find it
// there. It is any port if somebody else has that one now.
func lastPort(last, host string) int {
	if at, err := url.Parse(last); err == nil && at.Port() != "" {
		listener, err := net.Listen("tcp", net.JoinHostPort(host, at.Port()))
		if err == nil && listener.Close() == nil {
			return listener.Addr().(*net.TCPAddr).Port
		}
	}
	return server.RANDOM_PORT
}

// forThisMachine is the address for processes of this machine. The address of a server that
// listens to all networks has no host.
func forThisMachine(at string) string {
	u, err := url.Parse(at)
	if err != nil {
		return at
	}
	if ip := net.ParseIP(u.Hostname()); u.Hostname() == "" || ip != nil && ip.IsUnspecified() {
		u.Host = net.JoinHostPort("127.0.0.1", u.Port())
	}
	return u.String()
}
