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
// # Damage
//
// A server that finds a file damaged starts without what was in it, and to make that anew
// deletes the rest. So Start reads the whole directory before, at the speed of the disk, and
// if a file is damaged it changes nothing, and returns an error that names the file and says
// what to do: to restore it from a backup, or what to move away to go on without it.
//
// It finds each flipped bit in a task, a result or a configuration, and files that are
// missing, empty or too short. So that it finds those, the directory holds one more file,
// marks: what was there for certain, written once a second while something is stored. What
// can be made again is: the servers' indexes, and the position in the queue, without which
// tasks that are held are delivered again. Nothing is lost if marks is damaged or missing.
//
// What it does not find:
//
//   - After a kill or a power cut, that the end of a file is cut off which was written in
//     the last second before: it looks like what was being written.
//   - After these, too, that a file which is not the newest of its stream is cut off exactly
//     where a record ends, or is missing when others of it were removed in the last second.
//   - What is missing, if marks is missing as well.
//   - What is missing, but for configurations, if the directory is used with
//     LosesOnPowerCut: it may be what a power cut has taken.
//   - That a task was acknowledged, if the damage undoes that: it is run again, and its first
//     result stays.
//
// A directory that another nats-server has changed since Close, or whose stream was deleted
// in the last second before a kill, may seem damaged: remove marks then.
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
