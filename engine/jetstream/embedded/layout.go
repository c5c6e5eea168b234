package embedded

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/nats-io/nats-server/v2/server"
)

const (
	metaFile  = "meta.inf"
	sumFile   = "meta.sum"
	stateFile = "o.dat"
)

// A streamDir is the directory of a stream.
type streamDir struct{ account, name, dir string }

// streamsIn returns the streams of all accounts. A stream whose name begins with a dot is being
// deleted.
func streamsIn(dir string) ([]streamDir, error) {
	root := filepath.Join(dir, server.JetStreamStoreDir)
	accounts, err := dirsIn(root)
	if err != nil {
		return nil, err
	}
	var streams []streamDir
	for _, account := range accounts {
		sub := filepath.Join(root, account, "streams")
		names, err := dirsIn(sub)
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			if !strings.HasPrefix(name, ".") {
				streams = append(streams, streamDir{account, name, filepath.Join(sub, name)})
			}
		}
	}
	return streams, nil
}

// streamAt is the stream with a key.
func streamAt(dir, key string) streamDir {
	account, name, _ := strings.Cut(key, "/")
	return streamDir{account, name, filepath.Join(dir, server.JetStreamStoreDir, account, "streams", name)}
}

func (st streamDir) key() string { return st.account + "/" + st.name }

// ours reports whether only pools write to the stream.
func (st streamDir) ours() bool { return strings.HasPrefix(st.name, "resultpool_") }

func (st streamDir) consumers() ([]string, error) { return dirsIn(filepath.Join(st.dir, "obs")) }

func (st streamDir) consumerDir(name string) string { return filepath.Join(st.dir, "obs", name) }

// dirsIn returns the directories in a directory, and none if there is no such directory. It fails
// if the directory cannot be read, which a server would take for an empty one.
func dirsIn(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR) {
		return nil, err
	}
	var names []string
	for _, entry := range entries {
		if entry.IsDir() {
			names = append(names, entry.Name())
		}
	}
	return names, nil
}

func fileIs(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// A metaProblem is the reason why a configuration is not what a server has written.
type metaProblem struct {
	path       string
	what       error
	incomplete bool // as if the process had died while it was written
}

// readMeta returns the configuration of a stream or a consumer, or what is wrong with it. The
// error is not about damage.
func readMeta(dir, key string) ([]byte, *metaProblem, error) {
	var files [2][]byte
	for i, name := range []string{metaFile, sumFile} {
		path := filepath.Join(dir, name)
		buf, err := os.ReadFile(path)
		switch {
		case os.IsNotExist(err):
			return nil, &metaProblem{path, errors.New("it is missing"), true}, nil
		case err != nil:
			return nil, nil, err
		case blank(buf):
			return nil, &metaProblem{path, errors.New("it is empty"), true}, nil
		}
		files[i] = buf
	}
	hash := newHash(key)
	_, _ = hash.Write(files[0])
	if hex.EncodeToString(hash.Sum(nil)) != string(files[1]) {
		path := filepath.Join(dir, metaFile)
		return nil, &metaProblem{path, fmt.Errorf("it is damaged, or %s is, which does not agree with it", sumFile), false}, nil
	}
	return files[0], nil, nil
}
