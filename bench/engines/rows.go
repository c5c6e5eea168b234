package main

import "time"

// A row is one line of the table: an engine, and what it is run with.
type row struct {
	name  string
	open  opener
	needs *program // nil: nothing

	// What may be best for batches and for those who submit one by one. If there are several, each is
	// tried. None: not measured.
	batches, singles []tuning
	share            int // the number of tasks is divided by it, for those that are slow; 0 is 1

	// The time from submit to result, if calls are not 0.
	calls int
	call  tuning
}

// rows are all of them, in the order in which they are measured and shown.
func rows() []row {
	two := []tuning{{workers: 2}}
	ours := func(name string, run int) row {
		return row{name: name, open: openOurs(run), batches: two, singles: two, calls: 300, call: two[0]}
	}
	// Shorter pauses than 10 ms make River no faster here, and notify more often.
	const pause = 10 * time.Millisecond
	river := []tuning{
		{workers: 16, pause: pause}, {workers: 64, pause: pause}, {workers: 1000, pause: pause},
		{workers: 1000}, // pauses of 100 ms
	}
	fast := tuning{workers: 1000, pause: pause, isFast: true}
	// One server fetches one task after another, so that several may be faster.
	asynq := []tuning{
		{workers: 16, pause: time.Millisecond}, {workers: 64, pause: time.Millisecond},
		{workers: 8, servers: 8, pause: time.Millisecond}, {workers: 2, servers: 32, pause: time.Millisecond},
	}
	quick := tuning{workers: 2, pause: time.Millisecond}
	return []row{
		ours("resultpool", 0),
		ours("resultpool, Run: 64", 64),
		ours("resultpool, Run: 256", 256),
		{
			name: "River", open: openRiver, needs: &postgresServer, batches: river, singles: river,
			calls: 8, call: tuning{workers: 2},
		},
		{
			name: "River, InsertManyFast", open: openRiver, needs: &postgresServer, batches: []tuning{fast},
		},
		{
			name: "River, 2 workers", open: openRiver, needs: &postgresServer,
			batches: []tuning{quick}, share: 10,
		},
		{
			name: "River, JobCompleteTx", open: openRiver, needs: &postgresServer,
			calls: 150, call: tuning{workers: 2, pause: time.Millisecond, isTx: true},
		},
		{
			name: "asynq", open: openAsynq, needs: &redisServer, batches: asynq, singles: asynq,
			calls: 5, call: tuning{workers: 2},
		},
		{
			name: "asynq, 2 workers", open: openAsynq, needs: &redisServer,
			batches: []tuning{quick}, share: 10, calls: 150, call: quick,
		},
	}
}
