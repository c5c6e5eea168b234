// Package monitor shows what pools do: on a live page in a browser, to Prometheus, as JSON, and to a function
// that is told of tasks that are stuck.
//
//	m := monitor.New(nil)
//	defer m.Close()
//	p, err := pool.New(ctx, resize, st, &pool.Options{Hooks: m.Hooks("resize")})
//	…
//	defer m.Add("resize", p)()
//	http.Handle("/debug/pools/", m)
//
// # What is shown, and to whom
//
// The page, /events (which feeds it), /metrics and /stats are below whatever path the Monitor is mounted at, with
// http.StripPrefix or without. They are read-only, and load nothing from elsewhere. Of tasks they
// show IDs and never inputs, results or the texts of errors; a task's error is shown as the types in its chain. The
// texts of errors of a store or an engine are shown. Names of pools and the load on them are
// nobody else's business either: the Monitor asks nobody for a password, so mount it where strangers do not
// come.
//
// # What it costs
//
// Pools are looked at once in Options.Every, however many look at the page, by one goroutine,
// which ends when the last of them has gone, unless there is an OnStuck. A request for /metrics or /stats looks
// for itself, if the last look is older than Every. A look takes Stats and Running of each pool; no task
// reads a clock for it. So all ages are those that looks could tell: a task has run or waited at least as
// long as is shown, and began no more than one look earlier. (One that is run again and again, by RetryAfter, is taken to run
// on if each look finds it so; and to have waited as long as those around it, when it comes back.) Where more than 1,000 tasks run, a pool is asked less
// often which they are: of 10,000 once in ten seconds.
//
// # What may block
//
// A Source must not. One that does holds up the looks, and with them the page, /metrics and /stats, but no pool; one that
// panics is shown as such. An OnStuck that blocks holds up the goroutine that looks: the page stands still,
// and /metrics and /stats do not. A client that does not read holds up its own request, for ten seconds.
package monitor
