package jetstream

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/resultpool/resultpool/engine/jetstream/internal/folder"
)

// OpenFolder is [Open] for the embedded server that another process of this user runs on a folder. The folder says
// where the server listens and which credentials it wants. So a process needs only the folder's name to join, for
// example as an argument. If the server is started again, even on another port, the engine finds it.
//
// The credentials in the folder are those that the server has made. Credentials given by its program are not
// written down: they have to be in Options.NATS, which takes precedence over the folder.
//
// OpenFolder does not wait for a server: it returns an error if none runs on the folder. It
// refuses a folder that belongs to another user, or to which others may write.
func OpenFolder(ctx context.Context, dir, name string, opts *Options) (*Engine, error) {
	if opts == nil {
		opts = &Options{}
	}
	dir, err := filepath.Abs(dir) // the process may change its working directory
	if err != nil {
		return nil, fmt.Errorf("jetstream: folder %s: %w", dir, err)
	}
	in := &inFolder{dir: dir}
	s, err := in.read()
	if err != nil {
		return nil, err
	}
	joining := *opts
	joining.NATS = append(slices.Clone(opts.NATS), in.options)
	e, err := Open(ctx, s.URL, name, &joining)
	if refused := (*net.OpError)(nil); errors.Is(err, nats.ErrNoServers) || errors.As(err, &refused) {
		return nil, fmt.Errorf("jetstream: no server runs on folder %s: start one with embedded.Open: %w", dir, err)
	}
	return e, err
}

// inFolder is the way of a client to the server of a folder. It reads the folder whenever it
// connects.
type inFolder struct {
	dir  string
	last atomic.Pointer[folder.Server]
}

func (f *inFolder) read() (*folder.Server, error) {
	s, err := folder.Read(f.dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("jetstream: no server has run on folder %s: start one with embedded.Open: %w", f.dir, err)
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("jetstream: folder %s is another user's: %w", f.dir, err)
	case err != nil:
		return nil, fmt.Errorf("jetstream: folder %s: %w", f.dir, err)
	case s.URL == "":
		return nil, fmt.Errorf("jetstream: folder %s: its server does not listen, nobody can join: start it without DontListen", f.dir)
	}
	f.last.Store(&s)
	return &s, nil
}

// options sets the client's options that the user has not given.
func (f *inFolder) options(o *nats.Options) error {
	if o.CustomDialer == nil {
		o.CustomDialer = f
	}
	s := f.last.Load()
	if s.User != "" && o.User == "" && o.UserInfo == nil {
		o.UserInfo = f.user
	}
	if s.Certificate != "" && o.TLSConfig == nil {
		o.Secure = true
		o.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS13, ServerName: folder.CertificateName}
		o.RootCAsCB = f.roots
	}
	return nil
}

// Dial connects to where the server is now.
func (f *inFolder) Dial(network, _ string) (net.Conn, error) {
	s, err := f.read()
	if err != nil {
		return nil, err
	}
	at, err := url.Parse(s.URL)
	if err != nil {
		return nil, fmt.Errorf("jetstream: folder %s: no address in its file", f.dir)
	}
	return net.DialTimeout(network, at.Host, 5*time.Second) // it is on this machine
}

func (f *inFolder) user() (name, password string) {
	s := f.last.Load()
	return s.User, s.Password
}

// roots trusts only the server's certificate. A program of another user that listens where the
// server did does not have its key: it is shown no password and no task.
func (f *inFolder) roots() (*x509.CertPool, error) {
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM([]byte(f.last.Load().Certificate)) {
		return nil, fmt.Errorf("jetstream: folder %s: no certificate in its file", f.dir)
	}
	return pool, nil
}
