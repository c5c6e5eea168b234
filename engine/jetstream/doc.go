// Package jetstream is an engine on NATS JetStream: one queue and its results in the servers,
// shared by all programs that open it under the same name.
//
//	eng, err := jetstream.Open(ctx, "nats://10.0.0.7:4222", "thumbs", nil)
//	…
//	p, err := pool.Join(ctx, makeThumb, eng, &pool.Options{Workers: 8})
//
// It is only a client. Package embedded, a module of its own, has the server in the process.
//
// # Tasks in messages
//
// Several tasks are in one message, a run, which the servers store, sync, deliver and acknowledge as
// one. Those of one Push are, and those of Pushes that come while another is under way: so
// the more there is to do, the less a task costs, and one that is alone does not wait. How many there are
// follows the work, unless Options.Run says it: not more than one process has lately done in 50 ms. So tasks
// that take long are alone, and machines share them one by one. Tasks that a Pull has
// got beyond what was asked for, as the rest of a message, are given back after 100 ms.
//
// Each task has its own ID, the sequence of its message times 1,024 plus its place in it, its own starts, and its own
// result. The results of a message are in messages on one subject: each Save writes one, if nobody else has
// written there meanwhile, and otherwise reads first what is there. The lease is that of the message. If
// its process dies, what has no result is run by others. What has one may be delivered again with it, and
// a pool looks before it runs what was delivered before.
//
// # What it needs from the servers
//
// NATS server 2.12 or newer with JetStream enabled, and an account that may use it; 2.15 if the servers
// sync (below), since before that they could lose data all the same.
//
// By default JetStream acknowledges before it syncs to disk. If the power is cut, what was
// acknowledged in the last two minutes can be lost, or everything on a server that is new, and
// the IDs of tasks that were lost are given to other tasks. To prevent that, let the servers
// sync first,
//
//	jetstream { store_dir: /data, sync_interval: always }
//
// which costs three syncs for each message: when it is pushed, when its results are saved, and when it is
// acknowledged. Or have three replicas
// (Options.Replicas) on machines that do not lose their power together. A server process that
// is killed loses nothing in either case. The engine cannot see how a server is set.
//
// The servers keep about 131 bytes of memory for each message with results, and 111 for each
// message with tasks of the last 15 seconds. They forget results after Options.Retention,
// whether or not anybody has read them.
//
// # Durability
//
// Push and Save return when the server has acknowledged all tasks and results. Ack and Extend do not
// wait, nor does a Nack of all that is left of a message: if one of them is lost, the task is delivered again. A
// Nack of some, and NackAfter, store the tasks in a message of their own first. A server that was
// killed forgets which tasks it had delivered. It delivers them again at once, with Attempt 1,
// even if somebody still works on them. It forgets the keys of tasks that are done, too: a Push
// that is repeated over such a restart can add a task again that was done in between. If tasks share messages,
// the keys are known to the engine that has pushed them only, each until a Push with it has succeeded.
//
// A server whose files are damaged passes over the messages that it cannot read, and still lists
// them, unless it was started since. So Load, Wait and All report that such a result is damaged,
// and Wait and Size that such a task is, instead of saying that there is none. All cannot tell which results a
// damaged message had: it names one that it has not found.
//
// A server that is killed between two writes may remember that a task was acknowledged, and not
// remove it. Size counts such a task, and it keeps its place in the queue, until a Pull has
// found nothing for 5 s and removes it.
//
// # What is made
//
// For a pool NAME the streams resultpool_NAME_tasks, _results, _starts and _kind, with subjects
// that begin with resultpool.NAME, and the consumer workers of the first. They stay when all
// engines are closed. A pool that was made by a version with one task in each message is refused. To remove a pool, delete the streams with the command nats stream rm,
// when nobody has the pool open. An open engine makes the consumer and the stream of starts
// anew, which loses nothing. If its tasks or results are gone, its calls return an error that
// matches engine.ErrGone, as soon as the servers have said twice that there is no such stream.
// A pool that is made anew does not give IDs again, as long as the clock of the machine that
// makes it is not set back: the first ID is the time in microseconds, times 1,024.
//
// A server that cannot read the damaged files of a stream starts without the stream, and deletes
// the files when the stream is made anew. So Open refuses a pool that has results or starts and
// no tasks, or that had tasks and has no results, with an error that matches engine.ErrGone.
// Restore the files, or delete the other streams of the pool to begin anew. The starts, the
// kind and the consumer are made anew: tasks are delivered again then.
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
// OpenFolder finds the credentials of an embedded server, which another process of this user
// runs, in the server's folder. It makes sure that it talks to that server.
//
// Without TLS, tasks, results and passwords are readable on the network. Errors show the address
// of a server without what is before the @.
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
// A user who only submits and reads needs the first of them, and the part of $JS.API that
// docs/many-machines.md lists. What is published to resultpool.NAME.result.X, where X is not the
// sequence of a message, is not a result, and All passes over it. What is published to
// resultpool.NAME.task and is not written as this package writes it is removed.
//
// A missing permission is an error that matches nats.ErrPermissionViolation, and it is useless to
// try again. If the servers refuse the credentials, Open returns an error. An open engine tries
// again for ever, and calls return an error meanwhile that matches nats.ErrAuthorization or a
// similar error.
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
