package embedded

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/resultpool/resultpool/engine/jetstream/internal/folder"
)

// ServerOptions are where a server listens, for whom, and how it writes. A nil *ServerOptions means the zero value.
type ServerOptions struct {
	// Addr is where other processes join: "127.0.0.1:4222". "" is a free port of 127.0.0.1,
	// and port 0 is any free port. Without credentials the address has to be one of the
	// loopback interface. Credentials are User and Password, or a TLS configuration that
	// verifies the clients' certificates by its ClientCAs.
	Addr string

	// DontListen is for a server that only this process uses: nobody can join. Addr has to
	// be "".
	DontListen bool

	// User and Password are what clients have to give. The password is not hashed. If both are "", the server makes
	// its own, and keeps them in the directory, where jetstream.OpenFolder finds them and other users do not. Given
	// ones are not written down.
	User, Password string

	// TLS has the server's certificate, for clients on the network. Clients verify it with
	// nats.RootCAs or nats.Secure. If it is nil and there is no User, the server makes its
	// own certificate, too, for jetstream.OpenFolder.
	TLS *tls.Config

	// MaxPayload is about how many bytes a task or a result may have. 0 is 1 MiB, the least
	// is 4 KiB and the most 8 MiB; Start refuses any other value.
	MaxPayload int

	// LosesOnPowerCut lets the system decide when to write to the disk, which is ten times as fast. If the power is
	// cut, or the system crashes, acknowledged tasks and results are lost: those of the last two minutes, or all of
	// them. The IDs of those tasks may be given again. Nothing is lost if only the process dies.
	LosesOnPowerCut bool
}

// A Server is a NATS server with JetStream in this process.
type Server struct {
	dir  string // absolute, without links
	opts ServerOptions
	lock *dirLock

	alarm   chan struct{} // the server has said that something is wrong
	quit    chan struct{} // closed by Close
	watched chan struct{} // closed when watch has ended

	marker *marker // of srv, or nil; used by launch and stop, which never overlap

	mu     sync.Mutex
	noted  folder.Server  // what the folder says to those who join; guarded by mu
	srv    *server.Server // guarded by mu; nil while it is started again
	url    string         // guarded by mu
	heard  *lastWords     // of srv; guarded by mu
	failed *failure       // why nothing is stored, or nil; guarded by mu

	close sync.Once
}

// Start starts a server on a directory. If there is none, Start makes it, for its owner alone. Only one server at a
// time may use it: for a second one Start returns an error that matches [ErrInUse] and says how to join the first.
// Start waits until the directory was read, or ctx is done. If a file is damaged, Start changes nothing and returns an
// error that names the file: see the package comment. The directory may be relative: the process may change its
// working directory later.
//
// Start refuses a directory that another user owns or may write to, except on Windows.
func Start(ctx context.Context, dir string, opts *ServerOptions) (*Server, error) {
	if opts == nil {
		opts = &ServerOptions{}
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if dir == "" {
		return nil, errors.New("embedded: dir is empty, want the directory for tasks and results")
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("embedded: directory %s: %w", dir, err)
	}
	if _, err := serverOptions(dir, opts); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("embedded: %w", err)
	}
	home, err := filepath.EvalSymlinks(dir) // the target of a link may change
	if err == nil {
		err = folder.Check(home)
	}
	if err != nil {
		return nil, fmt.Errorf("embedded: %w", err)
	}
	lock, err := lockDir(filepath.Join(home, "lock"))
	if errors.Is(err, ErrInUse) {
		return nil, inUse(dir, err)
	}
	if err != nil {
		return nil, fmt.Errorf("embedded: directory %s: %w", dir, err)
	}
	s := &Server{
		dir: home, opts: *opts, lock: lock,
		alarm: make(chan struct{}, 1), quit: make(chan struct{}), watched: make(chan struct{}),
	}
	launched := make(chan error, 1)
	go func() { launched <- s.launch(ctx) }()
	select {
	case err = <-launched:
	case <-ctx.Done():
		go func() { // the directory stays in use until the launch has ended
			<-launched
			close(s.watched)
			s.Close()
		}()
		return nil, fmt.Errorf("embedded: starting the server on %s: %w", dir, context.Cause(ctx))
	}
	if err != nil {
		close(s.watched)
		s.Close()
		return nil, fmt.Errorf("embedded: directory %s: %w", dir, err)
	}
	go func() {
		defer close(s.watched)
		s.watch()
	}()
	return s, nil
}

// ErrInUse is in the chain of an error of Start and Open if another server, in this process or another, uses the
// directory. The error says how to join that server.
var ErrInUse = errors.New("another server uses it")

// inUse adds to the error of a directory that is in use how to join its server.
func inUse(dir string, err error) error {
	at := ""
	if noted, err := folder.Read(dir); err == nil && noted.URL != "" {
		at = ", at " + noted.URL
	}
	return fmt.Errorf("embedded: directory %s: %w: join that%s with jetstream.OpenFolder(ctx, %q, name, nil), or close it first", dir, err, at, dir)
}

// minPayload leaves room for the requests that make the streams of a pool.
const minPayload = 4 << 10

var bcryptHash = regexp.MustCompile(`^\$2[abxy]\$\d{2}\$`)

func serverOptions(dir string, opts *ServerOptions) (*server.Options, error) {
	so := &server.Options{
		JetStream:    true,
		StoreDir:     dir,
		SyncAlways:   !opts.LosesOnPowerCut,
		SyncInterval: 2 * time.Minute,
		NoLog:        true,
		NoSigs:       true,
		DontListen:   opts.DontListen,

		// The limit is the disk, and not three quarters of what is free now.
		JetStreamMaxStore: math.MaxInt64 / 2,

		Username:   opts.User,
		Password:   opts.Password,
		TLSConfig:  opts.TLS,
		TLSTimeout: 5,
		MaxPayload: int32(opts.MaxPayload),
	}
	switch {
	case (opts.User == "") != (opts.Password == ""):
		return nil, errors.New("embedded: of User and Password one is empty, want both or neither")
	case bcryptHash.MatchString(opts.Password):
		return nil, errors.New("embedded: Password looks like a bcrypt hash, which the server would take it for: give the password itself")
	case opts.MaxPayload != 0 && (opts.MaxPayload < minPayload || opts.MaxPayload > server.MAX_PAYLOAD_MAX_SIZE):
		return nil, fmt.Errorf("embedded: MaxPayload is %d, want %d to %d, or 0 for 1 MiB", opts.MaxPayload, minPayload, server.MAX_PAYLOAD_MAX_SIZE)
	case opts.DontListen && opts.Addr != "":
		return nil, fmt.Errorf("embedded: Addr is %q, want none with DontListen", opts.Addr)
	}
	so.TLSVerify = opts.TLS != nil && opts.TLS.ClientAuth == tls.RequireAndVerifyClientCert
	host, port, err := net.SplitHostPort(cmp.Or(opts.Addr, "127.0.0.1:0"))
	if err != nil {
		return nil, fmt.Errorf("embedded: Addr is %q, want host:port: %w", opts.Addr, err)
	}
	so.Host = host
	if so.Port, err = strconv.Atoi(port); err != nil || so.Port < 0 || so.Port > 65535 {
		return nil, fmt.Errorf("embedded: Addr is %q, want a port from 0 to 65535", opts.Addr)
	}
	if so.Port == 0 {
		so.Port = server.RANDOM_PORT
	}
	// Without ClientCAs, everybody with a certificate of a public authority is let in.
	if !loopback(host) && opts.User == "" && (!so.TLSVerify || opts.TLS.ClientCAs == nil) {
		return nil, fmt.Errorf("embedded: Addr is %q, where other machines can connect, and there are no credentials: "+
			"give User and Password, or a TLS configuration that verifies clients by its ClientCAs, or listen on 127.0.0.1", opts.Addr)
	}
	return so, nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// URL is the address for other processes, without credentials. It is "" if the server does not
// listen. It stays the same when the server is started again, unless somebody else has taken the
// port meanwhile.
func (s *Server) URL() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.url
}

// inProcessURL is for clients with ClientOptions. With another scheme they would use TLS, which
// they do not need.
const inProcessURL = "nats://in-process"

// ClientOptions let a client of this process connect to the server without the network, at any url that begins with
// "nats:", and give it the credentials.
func (s *Server) ClientOptions() []nats.Option {
	opts := []nats.Option{nats.InProcessServer(inProcess{s})}
	if user, password := s.credentials(); user != "" {
		opts = append(opts, nats.UserInfo(user, password))
	}
	return opts
}

// Close shuts the server down and waits until that is done, however long the disk takes. Close again does nothing.
func (s *Server) Close() {
	s.close.Do(func() {
		close(s.quit)
		<-s.watched
		s.stop()
		s.lock.unlock()
	})
}
