// Package folder is how the processes of one user meet in the folder of an embedded server. The
// server writes down where it listens and which credentials it wants, and those who join read
// that. Both refuse a folder that another user could have prepared.
package folder

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

const file = "server.json"

// CertificateName is the name in the certificate that a server makes.
const CertificateName = "resultpool"

// A Server is the content of server.json. If the program has given credentials, which are not
// written down, everything except URL is "".
type Server struct {
	URL      string `json:"url"` // without credentials; "" if the server does not listen
	User     string `json:"user,omitempty"`
	Password string `json:"password,omitempty"`

	// Certificate proves to those who join that they talk to this server, and not to another
	// user's program that listens where the server did. Both are PEM.
	Certificate string `json:"certificate,omitempty"`
	Key         string `json:"key,omitempty"`
}

// Read returns what the server of a folder has written down. The error shows nothing of it.
func Read(dir string) (Server, error) {
	dir, err := filepath.EvalSymlinks(dir) // the target of a link may change
	if err == nil {
		err = Check(dir)
	}
	if err != nil {
		return Server{}, err
	}
	path := filepath.Join(dir, file)
	info, err := os.Lstat(path)
	if err != nil {
		return Server{}, err
	}
	if !info.Mode().IsRegular() {
		return Server{}, fmt.Errorf("%s is not a regular file", path)
	}
	if err := checkSecret(path, info); err != nil {
		return Server{}, err
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return Server{}, err
	}
	var s Server
	if json.Unmarshal(text, &s) != nil {
		return Server{}, fmt.Errorf("%s is damaged: the next start of the server writes it anew", path)
	}
	return s, nil
}

// Write replaces what is written down, in one step. Only the owner can read it.
func Write(dir string, s Server) error {
	text, err := json.MarshalIndent(s, "", "\t")
	if err != nil {
		return err
	}
	return Replace(filepath.Join(dir, file), append(text, '\n'), true)
}

// Replace replaces a file by one that only the owner can read, in one step. With sync its content is on
// the disk before it is in its place.
func Replace(path string, content []byte, sync bool) error {
	temp := path + ".new"
	if err := os.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := os.OpenFile(temp, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err == nil && sync {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(temp, path)
}

// Check refuses a folder that another user owns or may write to: that user could have made what is
// in it.
func Check(dir string) error {
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return fmt.Errorf("%s is not a directory", dir)
	}
	return checkDir(dir, info)
}
