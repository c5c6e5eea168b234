package bolt

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"github.com/resultpool/resultpool/store"
)

var (
	resultsBucket = []byte("resultpool.results") // from key(ID) to what package codec makes of the result
	metaBucket    = []byte("resultpool.meta")

	formatKey   = []byte("format")   // of this layout: see format
	typeKey     = []byte("type")     // Codec.Name of what is in resultsBucket
	reservedKey = []byte("reserved") // key(ID) of the highest ID that has been reserved, sealed
)

const format = "1"

// mode is that of a new file. To let others read it is left to the user.
const mode = 0o600

// A decoder returns an error if that is not what was stored under the ID.
type decoder func(id store.ID, data []byte) error

// open opens a file of ours, or makes one, unless refusal says why there is to be no new one.
func open(path, typ string, refusal error, o Options, decode decoder) (*file, error) {
	deadline := time.Now().Add(o.Timeout)
	exists, err := check(path)
	if err != nil {
		return nil, err
	}
	if exists {
		if err := probe(path, typ, refusal, o, deadline, decode); err != nil {
			return nil, err
		}
	} else if refusal != nil {
		return nil, refusal
	}
	db, osFile, err := openDB(path, o, deadline, false)
	if err != nil {
		return nil, err
	}
	name, err := filepath.Abs(path)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("bolt: %w", err), db.Close())
	}
	f := &file{
		path: path, name: name, pageSize: db.Info().PageSize, noSync: o.NoSync, turn: make(chan struct{}, 1),
		db: db, osFile: osFile, commit: (*bbolt.Tx).Commit,
	}
	// Another process may have been killed, or have given up, between a commit's two
	// waits for the disk.
	f.suspect.Store(true)
	err = f.update(context.Background(), func(tx *bbolt.Tx) (bool, error) {
		if old, err := ours(tx, path, typ, refusal); old || err != nil {
			return false, err
		}
		return true, makeOurs(tx, typ)
	})
	if err == nil && !o.NoSync {
		err = syncFolder(path)
	}
	if err != nil {
		return nil, errors.Join(err, f.close())
	}
	return f, nil
}

// check reports whether there is something at path that may be a database. An empty
// file is as good as none: bbolt makes one before it writes to it. So is one that bbolt
// did not get any further with, and check empties that.
func check(path string) (exists bool, err error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("bolt: %w", err)
	case info.IsDir():
		return false, fmt.Errorf("bolt: %s is a folder, want the path of a file", path)
	case !info.Mode().IsRegular():
		return false, fmt.Errorf("bolt: %s is no regular file but %v", path, info.Mode())
	}
	if err := restart(path); err != nil {
		return false, fmt.Errorf("bolt: %w", err)
	}
	info, err = os.Stat(path)
	return err == nil && info.Size() > 0, nil
}

// probe finds out, without changing the file, whether it is one of ours, and whole. To open
// it for writing may change a file, for example that of another program.
func probe(path, typ string, refusal error, o Options, deadline time.Time, decode decoder) error {
	db, osFile, err := openDB(path, o, deadline, true)
	if err != nil {
		return err
	}
	err = guard(path, func() error {
		if err := isWhole(db, osFile, path); err != nil {
			return err
		}
		if err := db.View(func(tx *bbolt.Tx) error { _, err := ours(tx, path, typ, refusal); return err }); err != nil || !o.Check {
			return err
		}
		return inspected(path, inspect(osFile, db.Info().PageSize, everything(decode)))
	})
	return errors.Join(err, closeDB(db, osFile, err))
}

// isWhole makes sure that bbolt can read the file: it would end the program at some damages.
func isWhole(db *bbolt.DB, osFile *os.File, path string) error {
	info, err := osFile.Stat()
	if err != nil {
		return fmt.Errorf("bolt: %w", err)
	}
	err = db.View(func(tx *bbolt.Tx) error {
		if info.Size() < tx.Size() {
			return fmt.Errorf("bolt: %s has %d bytes, want at least %d: it was cut short, and cannot be used",
				path, info.Size(), tx.Size())
		}
		return nil
	})
	if err != nil {
		return err
	}
	return inspected(path, inspect(osFile, db.Info().PageSize, nil))
}

func inspected(path string, err error) error {
	if err != nil {
		return fmt.Errorf("bolt: %s is damaged, and is left as it is: %w", path, err)
	}
	return nil
}

// everything is for an inspection of all that our buckets have.
func everything(decode decoder) func(bucket, key, value []byte) error {
	return func(bucket, k, v []byte) error {
		if bytes.Equal(bucket, metaBucket) {
			_, err := reservedUpTo(k, v)
			return err
		}
		id, err := parseKey(k)
		if err != nil {
			return err
		}
		return decode(id, v)
	}
}

// openDB opens the database, and hands out the file that bbolt has opened.
func openDB(path string, o Options, deadline time.Time, readOnly bool) (db *bbolt.DB, osFile *os.File, err error) {
	err = guard(path, func() error {
		db, err = bbolt.Open(path, mode, &bbolt.Options{
			Timeout:  max(time.Until(deadline), time.Nanosecond), // 0 would be for ever
			ReadOnly: readOnly,
			NoSync:   o.NoSync,
			OpenFile: func(name string, flag int, perm os.FileMode) (*os.File, error) {
				osFile, err = os.OpenFile(name, flag, perm)
				return osFile, err
			},
			// The list of free pages is written with each commit. Without it,
			// Open and each commit that fails would read all of the file.
			NoFreelistSync: false,
			FreelistType:   bbolt.FreelistMapType,
			NoStatistics:   true,
		})
		return err
	})
	var damaged *damagedError
	switch {
	case err == nil:
		return db, osFile, nil
	case errors.As(err, &damaged):
		return nil, nil, errors.Join(err, abandon(osFile))
	case errors.Is(err, berrors.ErrTimeout):
		return nil, nil, fmt.Errorf("bolt: %s is in use by another process, or open in this one, and still was after %v: "+
			"close it there, or set a longer Options.Timeout", path, o.Timeout)
	case errors.Is(err, berrors.ErrInvalid), errors.Is(err, berrors.ErrChecksum), errors.Is(err, berrors.ErrVersionMismatch),
		strings.HasPrefix(err.Error(), "file size too small"):
		return nil, nil, fmt.Errorf("bolt: %s is no database of this package, and is left as it is; give the path of another file: %w", path, err)
	}
	return nil, nil, fmt.Errorf("bolt: opening %s: %w", path, err)
}

// closeDB closes db, or abandons it if it has panicked with err.
func closeDB(db *bbolt.DB, osFile *os.File, err error) error {
	var damaged *damagedError
	if errors.As(err, &damaged) {
		return abandon(osFile)
	}
	return db.Close()
}

// ours reports whether the database has our buckets. It is an error if it has others
// only, or ours with something that we must not touch. If it has none, refusal is the error.
func ours(tx *bbolt.Tx, path, typ string, refusal error) (bool, error) {
	meta := tx.Bucket(metaBucket)
	if meta == nil {
		if name, _ := tx.Cursor().First(); name != nil {
			return false, fmt.Errorf("bolt: %s is a database of another program, with a bucket named %q; give the path of another file", path, name)
		}
		return false, refusal
	}
	if got := string(meta.Get(formatKey)); got != format {
		return false, fmt.Errorf("bolt: %s has format %q, and this version of the package knows %q only; use a newer one", path, got, format)
	}
	if got := string(meta.Get(typeKey)); got != typ {
		return false, fmt.Errorf("bolt: %s has results that are %s, want %s; open it with their type, or give the path of another file", path, got, typ)
	}
	if tx.Bucket(resultsBucket) == nil {
		return false, fmt.Errorf("bolt: %s is damaged: it has no bucket for results", path)
	}
	return true, meta.ForEach(func(k, v []byte) error {
		if !bytes.Equal(k, formatKey) && !bytes.Equal(k, typeKey) && !bytes.Equal(k, reservedKey) || v == nil {
			return fmt.Errorf("bolt: %s is damaged: it has an unknown %q", path, k)
		}
		return nil
	})
}

// makeOurs makes our buckets in a database that has none.
func makeOurs(tx *bbolt.Tx, typ string) error {
	meta, err := tx.CreateBucket(metaBucket)
	if err != nil {
		return err
	}
	if err := meta.Put(formatKey, []byte(format)); err != nil {
		return err
	}
	if err := meta.Put(typeKey, []byte(typ)); err != nil {
		return err
	}
	_, err = tx.CreateBucket(resultsBucket)
	return err
}

// syncFolder puts the name of the file on the disk. A file that was synced may be lost
// in a power cut if its folder was not, and bbolt does not care. It may also have been
// made by a process that was killed before it came to this.
func syncFolder(path string) error {
	if runtime.GOOS == "windows" {
		return nil // it cannot
	}
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	dir, err := os.Open(filepath.Dir(path))
	if err == nil {
		defer dir.Close()
		err = dir.Sync()
	}
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, errors.ErrUnsupported) {
		return nil // this file system has no such thing
	}
	if err != nil {
		return fmt.Errorf("bolt: syncing the folder of %s, so that the file is there after a power cut: %w", path, err)
	}
	return nil
}
