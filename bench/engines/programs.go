package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// patience is how long a server may take to start or to stop.
const patience = 30 * time.Second

// A program is a server's, that has to be installed.
type program struct {
	names   []string // any of them
	folders []string // where it may be beside $PATH; patterns of filepath.Glob
	install string
}

var (
	postgresServer = program{
		names:   []string{"postgres"},
		folders: []string{"/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql*/bin"},
		install: "apt-get install postgresql",
	}
	redisServer = program{
		names:   []string{"redis-server", "valkey-server"},
		folders: []string{"/usr/sbin", "/usr/local/sbin"},
		install: "apt-get install redis-server (or valkey-server)",
	}
)

// find returns the path of a program, the newest if there are several, or an error that says what to install.
func (p program) find() (string, error) {
	for _, name := range p.names {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
		for _, pattern := range p.folders {
			found, _ := filepath.Glob(filepath.Join(pattern, name)) // an error is one of the pattern
			slices.SortFunc(found, func(a, b string) int { return len(b) - len(a) + bytes.Compare([]byte(b), []byte(a)) })
			for _, path := range found {
				if path, err := exec.LookPath(path); err == nil {
					return path, nil
				}
			}
		}
	}
	return "", fmt.Errorf("there is no %s on this machine: %s", p.names[0], p.install)
}

// version is what the program says of itself.
func (p program) version() (string, error) {
	path, err := p.find()
	if err != nil {
		return "", err
	}
	out, err := exec.Command(path, "--version").Output()
	words := regexp.MustCompile(`\(PostgreSQL\) [\d.]+|v=[\d.]+`).FindString(string(out))
	return filepath.Base(path) + " " + strings.NewReplacer("(PostgreSQL) ", "", "v=", "").Replace(words), err
}

// A place is a folder for the servers' files.
type place struct {
	dir string
	db  *database // once it was needed
}

// folder makes a new folder.
func (at *place) folder(name string) (string, error) {
	return os.MkdirTemp(at.dir, "engines-"+name+"-")
}

// owner is who runs PostgreSQL: nil is the user of this process. It does not run as root.
func owner() (*user.User, error) {
	if os.Getuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		if u, err := user.Lookup(name); err == nil {
			return u, nil
		}
	}
	return nil, errors.New("this is root, as whom PostgreSQL does not run, and there is no user postgres")
}

// give makes a user the owner of a folder.
func give(dir string, u *user.User) error {
	if u == nil {
		return nil
	}
	uid, err := strconv.Atoi(u.Uid)
	if err != nil {
		return err
	}
	gid, err := strconv.Atoi(u.Gid)
	return errors.Join(err, os.Chown(dir, uid, gid))
}

// A process is a server that was started here.
type process struct {
	cmd    *exec.Cmd
	output bytes.Buffer
	ended  chan struct{}
}

// start starts a server, as another user if that is not nil, and returns when ready returns nil.
func start(ctx context.Context, u *user.User, ready func(context.Context) error, path string, args ...string) (*process, error) {
	p := &process{cmd: exec.Command(path, args...), ended: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = &p.output, &p.output
	if err := runAs(p.cmd, u); err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = p.cmd.Wait() // stop, or ready, finds out that it has ended
		close(p.ended)
	}()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		err := ready(ctx)
		if err == nil {
			return p, nil
		}
		select {
		case <-p.ended:
			return nil, fmt.Errorf("%s has ended: %s", filepath.Base(path), p.output.Bytes())
		case <-ctx.Done():
			return nil, errors.Join(fmt.Errorf("%s: %w", filepath.Base(path), err), p.stop())
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// stop ends a server in its fast and clean way, and kills it if that takes too long.
func (p *process) stop() error {
	_ = p.cmd.Process.Signal(os.Interrupt) // it may have ended
	select {
	case <-p.ended:
		return nil
	case <-time.After(patience):
		err := p.cmd.Process.Kill()
		<-p.ended
		return errors.Join(fmt.Errorf("%s did not stop in %v", filepath.Base(p.cmd.Path), patience), err)
	}
}
