//go:build unix

package main

import (
	"os/exec"
	"os/user"
	"strconv"
	"syscall"
)

// runAs has a command run as another user, and out of reach of this terminal's Ctrl-C: the server
// is stopped when what was measured on it has ended.
func runAs(cmd *exec.Cmd, u *user.User) error {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Dir = "/"
	if u == nil {
		return nil
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return err
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return err
	}
	cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	return nil
}
