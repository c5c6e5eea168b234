// Package bolt keeps results in a file, in a bbolt database.
package bolt
