// Package embedded is package jetstream with the server in this process: the real NATS
// server, on a directory. There is nothing to install, and a pool that has begun with it
// moves to servers of their own by another Open.
//
//	eng, err := embedded.Open(ctx, "/var/lib/thumbs", "thumbs", nil)
//	…
//	p, err := pool.Join(ctx, makeThumb, eng, &pool.Options{Workers: 8})
//
// Other processes of this user join with the name of the directory, while this one runs:
//
//	eng, err := jetstream.OpenFolder(ctx, "/var/lib/thumbs", "thumbs", nil)
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
// # A full disk
//
// The disk is the limit. When it is full, or a write fails for another reason, the server
// stores nothing more. What is stored can be read. Push and Save fail when their contexts
// end, or a time limit does, with an error that names the directory and the reason; a pool
// tries again for ever. As soon as some megabytes can be written again, after ten seconds
// at most, the server is started again, in its place and by itself: clients lose their
// connections for a moment, and all goes on. Nothing that was acknowledged is lost. Make
// room elsewhere on the disk: while it is full, results are neither deleted nor forgotten.
//
// # What listens where
//
// The server listens on a port of 127.0.0.1 for other processes of this machine. It lets in
// those that can read its directory, which it makes for its owner alone: at its first start
// it makes a password and a certificate of its own, and keeps them there with its address,
// in the file server.json. Other users are refused, and cannot pass themselves off for
// the server while it is away. A directory that others may write to is not used. The
// port stays the same as long as nobody else takes it.
//
// The certificate has the traffic of jetstream.OpenFolder encrypted. With small tasks that
// does not show; with tasks and results of 100 kB, and no sync, it makes a third slower.
// Clients in this process are not encrypted.
//
// With User and Password those are what lets in, and they are written nowhere: those that
// join have to know them. With DontListen the server does not listen. With Addr it listens
// there. An address that other machines can reach is refused without credentials: User and
// Password, or a TLS configuration that verifies certificates of clients by its ClientCAs.
// A password without TLS is readable on the network. There is no monitoring port, no
// cluster, no log, and no handling of signals.
//
// Those who are let in may do all that the server can: for users that may do less, run a
// nats-server of its own.
//
// On Windows the directory has the permissions of the one that it is made in, and they are
// not looked at: have it below your profile, where others may not read.
//
// # What it does not do
//
// It is one server on one disk. Replicas need servers of their own. When Close shuts it
// down, or the process ends, those who have joined wait until it is there again.
package embedded
