package embedded

import "os"

// A dirLock is held by the process that uses a directory. The system releases it when the
// process ends, in whatever way.
type dirLock struct{ file *os.File }

func lockDir(path string) (*dirLock, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := lockFile(file); err != nil {
		_ = file.Close()
		return nil, err
	}
	return &dirLock{file}, nil
}

func (l *dirLock) unlock() {
	unlockFile(l.file)
	_ = l.file.Close()
}
