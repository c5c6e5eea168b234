package main

import (
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"
)

// What the report says of River: a run that ends late replaces the output of a job that another run
// has completed.
func TestRiverReplacesOutput(t *testing.T) {
	skipWithout(t, &postgresServer)
	opened, err := openRiver(t.Context(), newPlace(t), tuning{workers: 2})
	require.NoError(t, err)
	q := opened.(*riverQueue)
	defer func() { require.NoError(t, q.Close()) }()
	q.worker.during = func(db *pgxpool.Pool, id int64) error { // as if another run ended meanwhile
		_, err := db.Exec(t.Context(), `UPDATE river_job SET state = 'completed', finalized_at = now(), metadata = metadata || '{"output": 7}'
			WHERE id = $1`, id)
		return err
	}
	require.NoError(t, q.Submit(t.Context(), 1))
	job, err := q.event(t.Context())
	require.NoError(t, err)
	require.JSONEq(t, "2", string(job.Output()), "the output of the other run was 7")
}
