package behave

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/riverqueue/river"
)

// A task is accepted if and only if a transaction of the user's own data commits.
var transaction = row{
	name:  "transaction",
	title: "accepted if your transaction commits",
	cells: map[string]program{
		ours:      nil, // of Submit with a transaction
		conc:      nil,
		pond:      nil,
		ants:      nil,
		gammazero: nil,
		errGroup:  nil,
		riverPool: transactionRiver,
		channel:   nil,
	},
}

type tx = *sql.Tx

func transactionRiver(ctx context.Context) string {
	db := openSQLite(ctx)
	ran := make(chan int, 2)
	client := riverWith(ctx, db, 1, func(_ context.Context, job *river.Job[args]) error { ran <- job.Args.In; return nil }, nil)
	check(client.Start(ctx))
	must(db.ExecContext(ctx, "CREATE TABLE orders (id INTEGER)"))
	for in, end := range []func(tx) error{tx.Rollback, tx.Commit} {
		t := must(db.BeginTx(ctx, nil))
		must(t.ExecContext(ctx, "INSERT INTO orders VALUES (?)", in))
		must(client.InsertTx(ctx, t, args{in}, nil))
		check(end(t))
	}
	first := <-ran // in the order of insertion
	check(client.Stop(ctx))
	if first == 1 && len(ran) == 0 {
		return "yes"
	}
	return fmt.Sprintf("task %d ran", first)
}
