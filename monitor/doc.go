// Package monitor shows what pools do: on a live page in a browser, to Prometheus, as JSON, and by calling a
// function for stuck tasks.
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
// http.StripPrefix or without. They are read-only, and load nothing from elsewhere. They show the IDs of tasks and
// never inputs, results or the texts of errors; a task's error is shown as the types in its chain. The texts of
// errors of a store or an engine are shown. Names of pools and the load on them are not for strangers either: the
// Monitor asks nobody for a password, so mount it where strangers cannot come.
//
// # What it costs
//
// One goroutine looks at the pools once in Options.Every, however many clients show the page. It ends when the last
// client has gone, unless there is an OnStuck. A request for /metrics or /stats takes a look itself, if the last
// look is older than Every. A look takes Stats and Running of each pool; no task reads a clock for it. So all ages
// are what looks can prove: a task has run or waited at least as long as is shown, and began no more than one look
// earlier. (A task that is run again and again, by RetryAfter, counts as running on if each look finds it running;
// when it comes back to the queue, it counts as having waited as long as those around it.) If more than 1,000 tasks
// run, a pool is asked less often which they are: with 10,000, once in ten seconds.
//
// # What may block
//
// A Source must not block. One that does holds up the looks, and with them the page, /metrics and /stats, but no
// pool; one that panics is shown as such. An OnStuck that blocks holds up the goroutine that looks: then the page
// stands still, but not /metrics and /stats. A client that does not read holds up its own request, for ten seconds.
package monitor
