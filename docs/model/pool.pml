/*
 * The protocol of resultpool: how tasks get into the pool and out of it, and how it
 * ends. See README.md for what stands for what, and how to run this.
 *
 * How to read it. An atomic { } is one step: at most one access to what goroutines
 * share without the lock (an atomic of the Go code, an item in a slot, the contents of
 * the store), and whatever else belongs to the goroutine alone or to the holder of the
 * lock. A goto out of an atomic ends the step. Steps of different goroutines come in
 * every order. That is what sync/atomic promises: its operations behave as if they were
 * executed in some sequentially consistent order, which is all that spin knows.
 *
 * A configuration is a set of -D, see .ci/model. FAULT_x puts a mistake into the model,
 * which the check has to find.
 */

/* ---- the configuration ---- */

#ifndef SUBS
#define SUBS 2			/* submitters */
#endif
#ifndef CALLS
#define CALLS 1			/* of Submit that each makes, one after the other */
#endif
#ifndef BATCH
#define BATCH 1			/* tasks of the last submitter; more than 1: by SubmitAll */
#endif
#ifndef WORKERS
#define WORKERS 2		/* Options.Workers */
#endif
#ifndef SLOTS			/* for workers' goroutines: the most that there may be */
#define SLOTS WORKERS
#endif
#ifndef CAP
#define CAP 1			/* Options.Queue */
#endif

/* ---- internal/queue: what it consists of ---- */

#define NEVER 255
#define NOBODY 255		/* callAt */
#define EVERYBODY 0		/* callAt */

#ifdef GROW			/* a first ring of 2, then one of 4 */
#define PLACES 6
#define SIZE(r) ((r) -> 4 : 2)
#define AT(r, t) ((r) -> 2 + (t) % 4 : (t) % 2)
#define OF(t) (ring == 1 && (t) >= base)
bit ring;			/* which is that of the next ticket */
byte base;			/* of the second */
#else				/* one ring of 2; a queue for 1 or 2 tasks has no more */
#define PLACES 2
#define SIZE(r) 2
#define AT(r, t) ((t) % 2)
#define OF(t) 0
#endif
#define LIMIT(r) (SIZE(r) < CAP -> SIZE(r) : CAP)
#define MIN(a, b) ((a) < (b) -> (a) : (b))
#define MAX(a, b) ((a) > (b) -> (a) : (b))

byte tail, head;		/* tickets */
bool tailShut, headShut;	/* the bit of each; read and swapped together with it */
byte seen;			/* headSeen */
byte dropped = NEVER;		/* with mu */
byte turn[PLACES];
byte item[PLACES];		/* ticket + 1 of the task that is there, or 0 */

/* ---- pool: gates and life cycle ---- */

bool wanted;
byte callAt = NOBODY;

#define NONE 0
#define CLOSED 1		/* ErrClosed */
#define NOWORKERS 2		/* ErrNoWorkers */
#define CANCELLED 3		/* the cause of the cancel */
#define FULL 4			/* ErrQueueFull */
#define GAVEUP 5		/* the cause of the submitter's ctx */

/* With mu. */
byte closed, abort;
bool cause, ended;
byte target = WORKERS;
byte crewN, running, idle;
bool waking, reaping, watched;

byte list[SUBS], listN;		/* submitters */
byte rest[SUBS];		/* tasks that are not accepted yet */
byte err[SUBS];
byte ready[SUBS];		/* the channel: 1 made, 3 to be closed by unlock, 2 closed */

bool inCrew[SLOTS], started[SLOTS];
byte mark[SLOTS];		/* changed without mu in Pop */
bool bad[SLOTS];		/* the outcome of the task is not "succeeded" */
byte asleep[SLOTS];		/* on the Cond: 1 asleep, 2 woken */

bool getting;			/* getters of the one task that is asked for */
byte getID;			/* its ticket + 1 */
byte told;			/* the channel settled, as ready */
bool asked;			/* quiet != nil */
byte calm;			/* the channel quiet, as ready */

bool parentDone;		/* New's ctx */
bool ctxDone;			/* p.ctx, a child of it, which hears of the cancel later */
bool heard;
#define CAUSE 128		/* added to what TELL says, if a cause was seen before */
#ifdef CANCELS
byte most = 255;		/* the tail that must not be passed: nobody gets in who waited when the cancel was seen */
#endif
#define ARMED 0			/* context.AfterFunc(p.ctx, p.onCancel) */
#define FIRED 1			/* its goroutine has been started */
#define TAKEN 2			/* stop() has returned true */
byte watch;
bool done;			/* the channel */
byte unrunN;			/* what unrun has returned */
byte resizeTo;

/* ---- what is only for the checks ---- */

byte startedTasks, stored;	/* a bit for each ticket */
byte notRunN;			/* tasks with ErrNotRun for a result */
byte accepted;			/* tasks whose Submit returned nil */
byte finished;			/* calls of users that have returned */
byte users;			/* those that there are */
bool hung[SLOTS];		/* the task does not end until it is let */
byte inTasks;			/* workers in a task's function */
bool letStop;			/* it is time for the last Stop */
#ifdef STATS
byte settledWell, othersN;	/* tasks that succeeded; that did not */
#endif

#define BIT(ticket) (1 << (ticket))

/* ---- the lock ---- */

/*
 * All that is done with Pool.mu held is done by process mu, in its caller's place: the
 * caller hands over when the lock is free, and waits until it is not the one inside any
 * more. So the code of a section is there once, and its variables too.
 */
mtype = { PUSHED, TRY, ALL, GIVEUP, NEXT, AGAIN, WOKE, TELL, STOP, CANCEL, RESIZE,
	GET, UNGET, WAIT, STATISTICS, UNRUN, SETTLE, REAPED };
chan lock = [0] of { mtype, byte, byte };
chan rare = [0] of { mtype, byte, byte };	/* the same, for the other sections */
byte inside;

#define SUBMITTER(i) (1 + (i))
#define WORKER(w) (10 + (w))
#define STOPPER 20
#define CANCELLER 21
#define RESIZER 22
#define GETTER 23
#define WAITER 24
#define READER 25
#define REAPER 26
#define LAST 27

#include "lock.pml"
#include "submit.pml"
#include "worker.pml"
#include "others.pml"
#include "still.pml"

init {
	byte i;
	atomic {
		do
		:: i < PLACES -> turn[i] = (i < SIZE(0) -> i : 0); i++
		:: else -> break
		od;
		/* New ends with an unlock. */
		wanted = (target > 0);
		tailShut = (target == 0);
		i = 0;
		do
		:: i < SLOTS -> run worker(i); i++
		:: else -> break
		od;
		i = 0;
		do
		:: i < SUBS -> run submitter(i); users++; i++
		:: else -> break
		od;
		i = 0;
		run reaper();
#ifdef STOPS
		run stopper(); users++;
#endif
#ifdef CANCELS
		run canceller(); run onCancel(); users++;
#endif
#ifdef RESIZES
		run resizer(); users++;
#endif
#ifdef GETS
		run getter(); users++;
#endif
#ifdef WAITS
		run waiter(); users++;
#endif
#ifdef STATS
		run reader(); users++;
#endif
		run lastStop();
		run still()
	}
}
