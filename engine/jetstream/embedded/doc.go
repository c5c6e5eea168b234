// Package embedded is package jetstream with the server in this process: the real NATS server, on a directory. There
// is nothing to install, and a program moves to other servers by calling another Open. What it opens is an engine: a
// queue, and its results, that pools share.
//
//	eng, err := embedded.Open(ctx, "/var/lib/thumbs", "thumbs", nil)
//	…
//	p, err := pool.Join(ctx, makeThumb, eng, &pool.Options{Workers: 8})
//
// While this process runs, other processes of this user join with the name of the directory:
//
//	eng, err := jetstream.OpenFolder(ctx, "/var/lib/thumbs", "thumbs", nil)
//
// # Durability
//
// Each task and each result is synced to the disk before Push and Save return: when the power is cut, nothing that
// was acknowledged is lost. That allows some thousands per second. ServerOptions.LosesOnPowerCut is ten times as
// fast, and says what that costs. If the process dies, in whatever way, nothing is lost in either case. The
// directory is locked while it is in use, and free when the process has ended. (There is no lock on systems other
// than Unix and Windows.)
//
// # Damage
//
// A NATS server that finds a damaged file starts without its contents, and deletes the rest when that is made anew.
// So Start reads the whole directory first, at the speed of the disk. If a file is damaged, Start changes nothing,
// and returns an error that names the file and says what to do: restore it from a backup, or move something away to
// go on without it.
//
// Start finds every flipped bit in a task, a result or a configuration, and files that are missing, empty or too
// short. To find those, the directory has one more file, marks: it lists what was there for certain, and is written
// once a second while something is stored. Start makes again what can be made again: the servers' indexes, and the
// position in the queue, without which held tasks are delivered again. Nothing is lost if marks is damaged or
// missing.
//
// Start does not find
//
//   - after a kill or a power cut, that the end of a file is cut off if it was written in the last second before:
//     it looks like a write under way;
//   - after a kill or a power cut, that a file other than the newest of its stream is cut off exactly where a
//     record ends, or is missing when other files were removed in the last second;
//   - that something is missing, if marks is missing, too;
//   - that something other than a configuration is missing, if the directory is used with LosesOnPowerCut: a power
//     cut may have taken it;
//   - that a task was acknowledged, if the damage undoes that: the task is run again, and its first result stays.
//
// A directory that another nats-server has changed since Close, or whose stream was deleted in the last second
// before a kill, may seem damaged. Then remove marks.
//
// # A full disk
//
// The disk is the limit. When it is full, or a write fails for another reason, the server stores nothing more;
// stored data can be read. Push and Save fail when their contexts end, or after a time limit, with an error that
// names the directory and the reason; a pool retries for ever. As soon as some megabytes can be written again, or
// at most ten seconds later, another server is started in its place: clients lose their connections for a moment,
// and go on. Nothing that was acknowledged is lost. Make room elsewhere on the disk: while it is full, results are
// neither deleted nor forgotten.
//
// # What listens where
//
// The server listens on a port of 127.0.0.1 for other processes of this machine. It lets in processes that can read
// its directory, which it makes for its owner alone: at its first start it makes a password and a certificate, and
// keeps them there with its address, in the file server.json. Other users are refused, and cannot pretend to be the
// server while it is away. A directory that others may write to is not used. The port stays the same as long as
// nobody else takes it.
//
// The traffic of jetstream.OpenFolder is encrypted with that certificate. With small tasks that costs nothing that
// can be measured; with tasks and results of 100 kB, and no sync, it takes a third of the speed. The traffic of
// clients in this process is not encrypted.
//
// A server with User and Password lets in clients that give them, and stores them nowhere: those who join have to
// know them. With DontListen the server does not listen. With Addr it listens there. An address that other machines
// can reach needs credentials: User and Password, or a TLS configuration that verifies client certificates by its
// ClientCAs. Without TLS a password is readable on the network. There is no monitoring port, no cluster, no log,
// and no handling of signals.
//
// Every client that is let in may do everything that the server can. For users with fewer rights, run a separate
// nats-server.
//
// On Windows the directory has the permissions of its parent, and the server does not check them: everybody who may
// read the parent may read the credentials. Put it below your profile, where others may not read.
//
// # What it does not do
//
// It is one server on one disk. Replicas need servers of their own. When Close shuts the server
// down, or the process ends, the engines of other processes wait until a server is back.
package embedded
