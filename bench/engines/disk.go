package main

import (
	"errors"
	"os"
	"slices"
	"time"
)

// syncTime is the median time of a write of 200 bytes with an fsync, in that folder.
func syncTime(dir string) (median time.Duration, err error) {
	f, err := os.CreateTemp(dir, "engines-sync-")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, f.Close(), os.Remove(f.Name())) }()
	all := make([]time.Duration, 201)
	for i := range all {
		began := time.Now()
		if _, err := f.Write(make([]byte, 200)); err != nil {
			return 0, err
		}
		if err := f.Sync(); err != nil {
			return 0, err
		}
		all[i] = time.Since(began)
	}
	slices.Sort(all)
	return all[len(all)/2], nil
}
