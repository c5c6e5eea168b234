// Package jetstream is an engine on NATS JetStream: one queue and its results in the
// servers, shared by all programs that open it under the same name.
//
//	eng, err := jetstream.Open(ctx, "nats://10.0.0.7:4222", "thumbs", nil)
//	…
//	p, err := pool.Join(ctx, makeThumb, eng, &pool.Options{Workers: 8})
//
// It is a client and nothing else. Package embedded beside it, a module of its own, has
// the server in the process.
//
// # What it needs from the servers
//
// NATS server 2.12 or newer with JetStream enabled, and an account that may use it.
//
// JetStream acknowledges before it syncs to disk, by default: if the power is cut, what
// was acknowledged in the last two minutes can be lost, all of it on a server that is
// new, and the IDs of tasks that were lost are given to others. If that must not
// happen, let the servers sync first,
//
//	jetstream { store_dir: /data, sync_interval: always }
//
// which costs a sync for each task pushed and each result saved, or have three replicas
// (Options.Replicas) on machines that do not lose their power together. A server process
// that is killed loses nothing either way. From here it cannot be seen how a server is
// set.
//
// The servers keep about 131 bytes of memory for each result that is stored and 111 for
// each task pushed in the last 15 seconds. Results are forgotten after
// Options.Retention, whether or not anybody has read them.
//
// # Durability
//
// Push and Save return when the server has acknowledged each of the tasks and results. Ack,
// Nack and Extend do not wait: one that is lost is a task delivered again. A server that
// was killed forgets which tasks it had delivered: those are delivered again at once, with
// Attempt 1, also if somebody still works on them. And it forgets the keys of tasks that
// are done: a Push that is repeated over such a restart can add a task again that was
// done in between.
//
// A server whose files are damaged passes over the messages that it cannot read. It has them
// in its list, unless it was started since: so Load, Wait and All say of such a result that
// it is damaged, and Wait and Size of such a task, where they would else say that there is
// none.
//
// Killed between the two writes, it remembers that a task was acknowledged and has not
// removed it: Size counts it, and it keeps its place in the queue, until somebody's Pull has
// found nothing for 5 s, and removes it.
//
// # What is made
//
// For a pool NAME the streams resultpool_NAME_tasks, _results, _starts and _kind, with
// subjects that begin with resultpool.NAME, and the consumer workers of the first. They stay
// when everybody has closed the engine. To remove a pool, delete the streams, with the
// command nats stream rm, when nobody has it open. Those who have it open make the consumer
// and the stream of starts anew, since nothing is lost by that; without the tasks or the
// results that they work with, their calls return an error matching engine.ErrGone, as soon
// as the servers have said twice that there is no such stream. Its IDs do not come back when it is made anew, as long as the
// clock of the machine that does it is not set back: the first ID is the time in
// microseconds.
//
// A server that cannot read the files of a stream, since they are damaged, starts without
// it, and deletes them when it is made anew. So Open refuses, with an error that matches
// engine.ErrGone, a pool that has results or starts and no tasks, or that had tasks and has no
// results. Restore the files, or delete the other streams of the pool to begin anew. The
// starts, the kind and the consumer are made anew: tasks are delivered again then.
//
// # Security
//
// The client opens one connection and listens nowhere. Credentials and TLS are options of
// the NATS client, in Options.NATS:
//
//	jetstream.Open(ctx, "tls://nats.example.com:4222", "thumbs", &jetstream.Options{NATS: []nats.Option{
//		nats.UserCredentials("thumbs.creds"),
//		nats.RootCAs("ca.pem"),
//	}})
//
// Of an embedded server that another process of this user runs, OpenFolder finds the
// credentials in its folder, and makes sure that it is that server.
//
// Without TLS tasks, results and passwords are readable on the network. Errors name a
// server's address without what is before the @ in it.
//
// Who may publish to resultpool.NAME.task has the functions of all machines run on what
// he likes: those have to take their input as a stranger's. Who may publish to
// resultpool.NAME.result.* can give any task its result, before it has run. Who may publish
// to resultpool.NAME.saved.* can tell those who wait a result that is not stored: nobody
// needs to. What is published to resultpool.NAME.result. with something else at its end than
// the ID of a task, as Push returns it, is no result, and All passes over it. And who may use all of $JS.API can delete all. A user who only submits and reads
// needs the first of these, and of $JS.API what docs/many-machines.md lists. Permissions
// that are missing are errors that match nats.ErrPermissionViolation, and no use to try
// again. Credentials that are refused are an error of Open; later they are tried again for
// ever, and calls return an error meanwhile, which matches nats.ErrAuthorization or one of
// its kin.
//
// # What it does not do
//
// Priorities, delays, and tasks in a strict order. Exactly one run: a task is run again
// if its process dies or its lease ends. Tasks above the server's max_payload, 1 MiB as it
// comes, less 512 bytes. Returning at once from a connection that takes no more bytes: a
// context that ends then ends a call when the client gives that up, after 10 s at most.
// JetStream domains, and accounts that import JetStream from another. The clause of package
// engine on Load is kept with replicas except that what was deleted a moment ago may still
// be found.
package jetstream
