package behave

import (
	"context"
	"time"
)

// A row is a behaviour.
type row struct {
	name  string        // of -row
	title string        // in the table
	river time.Duration // how long River's program may take, if longer than patience
	cells map[string]program
}

// A program does what a row is about with one pool, as that one's own documentation would have it, and
// returns what was seen, in a few words. It runs in a process and a folder of its own. A nil one stands
// for a pool that has no call for it.
type program func(ctx context.Context) string

// patience is how long most programs may take. Most that end take less than a second, but for River's.
const patience = 15 * time.Second

// The pools, in the order of the columns.
const (
	ours      = "resultpool"
	conc      = "conc"
	pond      = "pond"
	ants      = "ants"
	gammazero = "workerpool"
	errGroup  = "errgroup"
	riverPool = "River"
	channel   = "a channel"
)

// pools names them, with the module whose version is said; "" for none.
var pools = []struct{ name, module string }{
	{ours, ""},
	{conc, "github.com/sourcegraph/conc"},
	{pond, "github.com/alitto/pond/v2"},
	{ants, "github.com/panjf2000/ants/v2"},
	{gammazero, "github.com/gammazero/workerpool"},
	{errGroup, "golang.org/x/sync"},
	{riverPool, "github.com/riverqueue/river"},
	{channel, ""},
}

var rows = []row{
	kept, byID, asTheyEnd, cancelled, firstError, panics, goexits, stopInside, nilTask, zeroWorkers,
	perKey, retries, killed, shared, transaction,
}

// parts are the programs of second processes, by name.
var parts = map[string]func(ctx context.Context){
	"killed/resultpool": acceptOurs,
	"killed/River":      acceptRiver,
	"shared/resultpool": joinOurs,
	"shared/River":      joinRiver,
}
