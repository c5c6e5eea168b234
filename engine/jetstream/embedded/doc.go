// Package embedded is package jetstream with the server in this process: the real NATS
// server, on a directory. There is nothing to install, and a pool that has begun with it
// moves to servers of their own by another Open.
//
//	eng, err := embedded.Open(ctx, "/var/lib/thumbs", "thumbs", nil)
//	…
//	p, err := pool.Join(ctx, makeThumb, eng, &pool.Options{Workers: 8})
//
// Other processes join over eng.URL() with jetstream.Open, while this one runs.
//
// # Durability
//
// Each task and each result is synced to the disk before Push and Save return: when the
// power is cut, what was acknowledged is there. That makes some thousands per second.
// ServerOptions.LosesOnPowerCut is ten times as fast, and says what it costs. If the process
// dies, in whatever way, nothing is lost in either case. The directory is locked while it is
// in use, and free when the process has ended. (On systems other than Unix and Windows there
// is no lock.)
//
// # What listens where
//
// The server listens on a free port of 127.0.0.1 for other processes of this machine: any
// user of the machine can connect, see package jetstream for what he can do then. With
// DontListen it does not listen. With Addr it listens there. An address that other machines
// can reach is refused without credentials: User and Password, or a TLS configuration that
// verifies certificates of clients by its ClientCAs. A password without TLS is readable on
// the network. There is no monitoring port, no cluster, no log, and no handling of signals.
//
// The user with that password may do all that the server can: for users that may do less,
// run a nats-server of its own.
//
// # What it does not do
//
// It is one server on one disk. Replicas need servers of their own. When Close shuts it
// down, or the process ends, those who have joined wait until it is there again, on the
// same address: give one in Addr.
package embedded
