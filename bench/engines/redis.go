package main

import (
	"context"
	"net"
	"path/filepath"
)

// startRedis starts a server on an empty folder, that syncs each write before it answers. It listens on a
// socket in that folder, which is faster than a port of 127.0.0.1, and open to nobody else.
func (at *place) startRedis(ctx context.Context) (_ *process, socket string, _ error) {
	path, err := redisServer.find()
	if err != nil {
		return nil, "", err
	}
	dir, err := at.folder("redis")
	if err != nil {
		return nil, "", err
	}
	socket = filepath.Join(dir, "s")
	answers := func(ctx context.Context) error {
		var d net.Dialer
		c, err := d.DialContext(ctx, "unix", socket)
		if err != nil {
			return err
		}
		return c.Close()
	}
	p, err := start(ctx, nil, answers, path, "--port", "0", "--unixsocket", socket, "--dir", dir,
		"--appendonly", "yes", "--appendfsync", "always",
		"--save", "", "--auto-aof-rewrite-percentage", "0") // nothing else is written meanwhile
	return p, socket, err
}
