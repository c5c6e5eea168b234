package main

import (
	"context"
	"fmt"
	"os/exec"
	"os/user"
	"path/filepath"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// A database is a folder of PostgreSQL. The server runs only while it is measured.
type database struct {
	dir    string
	server string
	owner  *user.User
}

// pgConnections is how many connections the client has.
const pgConnections = 16

// pgSettings are those that are not the defaults: synchronous_commit and fsync are said only
// to be sure. With the others it does not pause for a checkpoint while it is measured.
var pgSettings = []string{
	"fsync=on", "synchronous_commit=on",
	"shared_buffers=256MB", "max_wal_size=4GB", "checkpoint_timeout=30min", "max_connections=200",
	"listen_addresses=", // only the socket
}

// database makes the folder when it is first called.
func (at *place) database(ctx context.Context) (*database, error) {
	if at.db != nil {
		return at.db, nil
	}
	path, err := postgresServer.find()
	if err != nil {
		return nil, err
	}
	u, err := owner()
	if err != nil {
		return nil, err
	}
	dir, err := at.folder("pg")
	if err != nil {
		return nil, err
	}
	if err := give(dir, u); err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, filepath.Join(filepath.Dir(path), "initdb"),
		"-D", filepath.Join(dir, "data"), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C")
	if err := runAs(cmd, u); err != nil {
		return nil, err
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("initdb: %w: %s", err, out)
	}
	at.db = &database{dir, path, u}
	return at.db, nil
}

func (d *database) start(ctx context.Context) (*process, error) {
	args := []string{"-D", filepath.Join(d.dir, "data"), "-k", d.dir}
	for _, s := range pgSettings {
		args = append(args, "-c", s)
	}
	answers := func(ctx context.Context) error {
		c, err := pgx.Connect(ctx, d.url())
		if err != nil {
			return err
		}
		return c.Close(ctx)
	}
	return start(ctx, d.owner, answers, d.server, args...)
}

func (d *database) url() string {
	return "host=" + d.dir + " user=postgres dbname=postgres sslmode=disable"
}

func (d *database) connect(ctx context.Context) (*pgxpool.Pool, error) {
	config, err := pgxpool.ParseConfig(d.url())
	if err != nil {
		return nil, err
	}
	config.MaxConns, config.MinConns = pgConnections, pgConnections
	config.MaxConnLifetime = time.Hour
	return pgxpool.NewWithConfig(ctx, config)
}
