//go:build !unix

package main

import (
	"errors"
	"os/exec"
	"os/user"
)

// runAs is for Unix only, as the sockets of the servers are.
func runAs(*exec.Cmd, *user.User) error {
	return errors.New("the servers are started on Unix only")
}
