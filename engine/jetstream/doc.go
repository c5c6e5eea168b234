// Package jetstream is an engine (a queue that many machines share, with its results) on NATS JetStream: all
// programs that open it under the same name share it.
//
//	eng, err := jetstream.Open(ctx, "nats://10.0.0.7:4222", "thumbs", nil)
//	…
//	p, err := pool.Join(ctx, makeThumb, eng, &pool.Options{Workers: 8})
//
// It is only a client. Package embedded, a module of its own, has the server in the process.
//
// # Tasks in messages
//
// One message holds several tasks, a run, which the servers store, sync, deliver and acknowledge as one. A run is
// made of the tasks of one Push, and of Pushes that come while another is under way: so the more there is to do,
// the less a task costs, and a single task does not wait. Unless Options.Run sets it, the size of a run follows the
// work: at most as many tasks as one process has lately done in 50 ms. So tasks that take long are alone, and
// machines share them one by one. If a Pull gets more tasks than it asked for, as the rest of a message, it gives
// them back after 100 ms.
//
// Each task has its own ID, the sequence of its message times 1,024 plus its place in it, its own count of starts,
// and its own result. The results of a message are in messages on one subject: each Save writes one, if nobody else
// has written there meanwhile, and otherwise reads first what is there. The tasks of a message share one lease. If
// its process dies, others run the tasks that have no result. Those that have one may be delivered again with them;
// so a pool looks for a result before it runs a task that was delivered before.
//
// # What it needs from the servers
//
// NATS server 2.12 or newer with JetStream enabled, and an account that may use it; 2.15 if the servers
// sync (below), because older versions could lose data nevertheless.
//
// By default JetStream acknowledges before it syncs to disk. If the power is cut, what was acknowledged in the last
// two minutes can be lost, or everything on a new server, and the IDs of lost tasks are given to other tasks. To
// prevent that, let the servers sync first,
//
//	jetstream { store_dir: /data, sync_interval: always }
//
// which costs three syncs for each message: when it is pushed, when its results are saved, and when it is
// acknowledged. Or have three replicas (Options.Replicas) on machines that do not lose their power together. A
// server process that is killed loses nothing in either case. The engine cannot see how a server is configured.
//
// The servers keep about 131 bytes of memory for each message with results, and 111 for each message with tasks of
// the last 15 seconds. They forget results after Options.Retention, whether or not anybody has read them.
//
// # Durability
//
// Push and Save return when the server has acknowledged all tasks and results. Ack and Extend do not wait, nor does a
// Nack of all remaining tasks of a message: if one of these is lost, the task is delivered again. A Nack of some
// tasks, and NackAfter, first store the tasks in a message of their own. A server that was killed may forget which
// tasks it had delivered: these it delivers again at once, with Attempt 1, even if somebody still works on them, and
// the others when their lease has ended. It also forgets the keys of tasks that are done: a Push that is repeated over
// such a restart can add a task again that was done in between. If tasks share messages, only the engine that has
// pushed them knows their keys, each until a Push with it has succeeded.
//
// A server whose files are damaged skips the messages that it cannot read, and still lists them, unless it was
// started since. So Load, Wait and All report that such a result is damaged, and Wait and Size that such a task is,
// instead of saying that there is none. All cannot tell which results a damaged message had: it names one that it
// has not found.
//
// A server that is killed between two writes may remember that a task was acknowledged, and not remove it. Size
// counts such a task, and it keeps its place in the queue, until a Pull has found nothing for 5 s and removes it.
//
// # What is made
//
// For a pool NAME the streams resultpool_NAME_tasks, _results, _starts and _kind, with subjects that begin with
// resultpool.NAME, and the consumer workers of the first stream. They stay when all engines are closed. A pool that
// was made by a version with one task in each message is refused. To remove a pool, delete the streams with the
// command nats stream rm, when nobody has the pool open. An open engine makes the consumer and the stream of starts
// anew, which loses nothing. If its tasks or results are gone, its calls return an error that matches
// engine.ErrGone, as soon as the servers have said twice that there is no such stream. A pool that is made anew
// does not give IDs again, as long as the clock of the machine that makes it is not set back: the first ID is the
// time in microseconds, times 1,024.
//
// A server that cannot read the damaged files of a stream starts without the stream, and deletes the files when the
// stream is made anew. So Open refuses a pool that has results or starts and no tasks, or that had tasks and has no
// results, with an error that matches engine.ErrGone. Restore the files, or delete the other streams of the pool to
// begin anew. The starts, the kind and the consumer are made anew: then tasks are delivered again.
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
// OpenFolder finds the credentials of an embedded server, which another process of this user runs, in the server's
// folder. It makes sure that it talks to that server.
//
// Without TLS, tasks, results and passwords are readable on the network. Errors show the address of a server
// without the part before the @.
//
// These permissions are powerful:
//
//   - A user who may publish to resultpool.NAME.task decides what the functions of all machines
//     run on: the functions must not trust their input.
//   - A user who may publish to resultpool.NAME.result.* can give any task its result before it
//     has run.
//   - A user who may publish to resultpool.NAME.rest.> can do the same, and one who may publish to
//     resultpool.NAME.pace decides how many tasks share a message.
//   - A user who may publish to resultpool.NAME.saved.* can give a result that is not stored to
//     those who wait. Nobody needs this permission.
//   - A user who may use all of $JS.API can delete everything.
//
// A user who only submits and reads needs the first of them, and the part of $JS.API that docs/many-machines.md
// lists. A message on resultpool.NAME.result.X, where X is not the sequence of a message, is not a result, and All
// skips it. A message on resultpool.NAME.task that is not in the format of this package is removed.
//
// A missing permission is an error that matches nats.ErrPermissionViolation; a retry is useless. If the servers
// refuse the credentials, Open returns an error. An open engine tries again for ever, and meanwhile its calls
// return an error that matches nats.ErrAuthorization or a similar error.
//
// # What it does not do
//
// There are no priorities, and no strict order. A task may run more than once: it is
// run again if its process dies or its lease ends. Tasks and results may have as many bytes as
// the server's max_payload, 1 MiB by default, less 512. When the connection takes no more bytes,
// a call whose context ends returns when the client gives up, after 10 s at most. JetStream
// domains, and accounts that import JetStream from another, are not supported. With replicas,
// Load may still find what was deleted a moment ago.
package jetstream
