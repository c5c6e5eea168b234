// The handshakes of internal/queue and of pool in Promela, for spin. .ci/model explores all states of it, and
// those of it with each fault, which has to be found.
//
// A step is an atomic operation of the code, or several where that loses nothing: loads whose compare-and-swap
// fails if one is stale; a walk along claims, since what has begun stays so; what only mu guards. A claim takes
// 1 or 2 tasks, at random: the code looks at the clock and at what waits. Left out: segments (there is one),
// headSeen, help for claims that are left behind, batches, IDs, the cancel, Resize, Wait, tasks that fail.
//
// LINE is the queue alone; in COUNT its owner counts; in AWAIT two wait for a task, and one of them may give
// up; POOL has mu: room, workers that are started and leave, Stop. There are WORKERS, and SUBS submit PER tasks
// each, with room for CAP. With LONG a task runs until all have begun: no task waits while a worker sleeps.
#ifndef F
#define F 0
#endif
#define LOOK_THEN_ANNOUNCE 1 // LINE
#define HEAD_FIRST 2 // LINE
#define TAKE_BLINDLY 3 // LINE
#define HANDED_DOES_NOT_LOOK 4 // LONG
#define LOOK_THEN_JOIN 5 // AWAIT
#define TELL_THEN_END 6 // AWAIT
#define LEAVE_TOKEN 7 // AWAIT
#define HAND_OVER_CLOSED 8 // COUNT
#define END_FROZEN 9 // COUNT
#define ROOM_LATE 10 // POOL
#define TAIL_UNSHUT 11 // POOL
#define SETTLE_LATE 12 // POOL: a bug that this has found

#define BIT(t) (1 << (t))
#define NOBODY 99 // no claim; no number of tasks
#define NONE 0 // what a search has found; the order matters
#define FROZE 1
#define ANOTHER 2
#define CLAIMED 3
#define HELPED 4
#define HANDED 5
#define ONE 4 // the word of a claim: 2 bits done, 2 begun, 2 size, 1 frozen
#define BEGUN(w) ((w) >> 2 & 3)
#define SIZE(w) ((w) >> 4 & 3)
#define FROZEN 64

byte tail, head, begun, published, word[SUBS * PER + 1], idle; // published: a set of tasks, as those below
bool shut; // the tail's bit: Push sees both at once
chan calls = [0] of { byte, byte }; // a claim and the task's place in it; NOBODY: none
bool mu, refusing; // refusing: Stop has shut the tail
byte accepted, started, ended, submitted; // submitted: how many submitters have ended; for the assertions

#ifdef POOL
#define TEMPORARIES byte h, i, n, w, found, first, at, wake, leaving; bool ok, called, come, waits
#else
#define TEMPORARIES byte h, i, n, w, found, first, at; bool ok, called
#endif
#define ME (_pid - 1) // of a submitter
#define CLEAR atomic { h = 0; i = 0; n = 0; w = 0 }
#define LOCK atomic { !mu -> mu = true }

inline begin(t) { assert(!(started & BIT(t)) && t < tail); started = started | BIT(t) }
inline withdraw() { d_step { ok = idle > 0; idle = idle - ok } }
inline moveHead(size) { d_step { if :: head == h -> head = h + size :: else fi } }
inline oldest() { // within a step: sets i and w, and ok if there is one
	i = begun; ok = false; do :: i < head && !ok -> w = word[i];
		assert(SIZE(w) > 0); // no task is neither before the head nor in a claim
		if :: BEGUN(w) < SIZE(w) -> ok = true :: else -> i = i + SIZE(w) fi
	:: else -> break od; begun = i
}

inline claim(most) { // sets found and, if that is a task, first and at
	do :: atomic { h = head; w = word[h]; n = published >> h & 3;
		if :: begun == h && tail == h -> break :: else fi; if :: !(n & 1) -> n = 0
		:: n & 1 && w == 0 ->
			if :: most == 2 && n == 3 -> n = 2 :: n = 1 fi; found = CLAIMED; first = h; begin(h);
			if :: F == HEAD_FIRST -> head = h + n :: else -> word[h] = n << 4 | ONE fi
		:: n & 1 && w == FROZEN -> found = FROZE; break
		:: else -> n = SIZE(w) fi }; if :: n == 0 -> // help
			if :: F == TAKE_BLINDLY -> d_step { oldest() } :: else fi;
			d_step { if :: F == TAKE_BLINDLY :: else -> oldest() fi;
				if :: ok && w & FROZEN -> found = FROZE
				:: ok && !(w & FROZEN) -> word[i] = w + ONE; first = i; at = BEGUN(w); found = HELPED; begin(i + at)
				:: else fi };
			break
		:: else ->
			if :: F == HEAD_FIRST && found == CLAIMED -> word[h] = n << 4 | ONE :: else -> moveHead(n) fi;
			if :: found == CLAIMED -> d_step { if :: n == 1 && begun == h -> begun = h + 1 :: else fi }; break :: else fi
		fi od;
	CLEAR
}

inline isReady() { // sets ok
	do :: atomic { h = head; w = word[h]; n = published >> h & 1; ok = n && SIZE(w) == 0;
		if :: ok || begun == h && tail == h -> break :: else fi }; if :: n -> moveHead(SIZE(w))
		:: else -> d_step { oldest() }; if :: ok || head == h -> break :: else fi fi od;
	CLEAR
}

inline handOver() { // sets called
	called = false; do :: withdraw(); if :: !ok -> break :: else -> called = true fi;
		claim(1); if :: found < CLAIMED -> calls ! NOBODY, 0; break :: else -> calls ! first, at fi;
		atomic { found = NONE; first = 0; at = 0 };
		if :: idle == 0 -> break :: else -> isReady(); if :: !ok -> break :: else fi fi od;
	atomic { ok = false; found = NONE }
}

inline push() { // sets t and ok, or ok = false if there is no room; and called
	if :: F == TAIL_UNSHUT -> ok = !shut :: else fi;
	d_step { ok = (F == TAIL_UNSHUT -> ok : !shut) && tail - head < CAP;
		t = tail; tail = tail + ok; accepted = accepted + ok; assert(!ok || !refusing) };
	if :: !ok
	:: else ->
		d_step { called = idle > 0 && begun == t; idle = idle - called }; if :: called -> // handOverAt
			d_step { h = t; ok = word[t] == 0 || F == HAND_OVER_CLOSED;
				if :: ok -> word[t] = 1 << 4 | ONE; begin(t) :: else fi };
			if :: ok -> moveHead(1); d_step { if :: begun == t -> begun = t + 1 :: else fi; h = 0 }; calls ! t, 0
			:: else -> d_step { published = published | BIT(t); h = 0 }; calls ! NOBODY, 0 fi
		:: else -> published = published | BIT(t); handOver() fi; ok = true fi
}

#ifdef AWAIT
byte waiter[3], others[3]; // one, and a set, of those who wait for a task; 0: none
bool hasOthers;
chan told[3] = [1] of { bit };

inline takeOff(t) { // sets tell
	d_step { tell = (waiter[t] -> BIT(waiter[t]) : 0); waiter[t] = 0 };
	if :: hasOthers -> d_step { tell = tell | others[t]; others[t] = 0; hasOthers = others[0] || others[1] } :: else fi
}
inline tellAll() {
	if :: tell & 2 -> assert(len(told[1]) == 0); told[1] ! 1 :: else fi;
	if :: tell & 4 -> assert(len(told[2]) == 0); told[2] ! 1 :: else fi; tell = 0
}
inline isPending() { // sets ok; i is the task
	do :: atomic { n <= i -> w = word[i - n];
		if :: SIZE(w) > 0 -> ok = n >= SIZE(w) || !(w & BIT(n)); break :: else -> n++ fi }
	:: else -> ok = true; break od; atomic { n = 0; w = 0 }
}

active [2] proctype getter() { // ok: the task has not ended
	TEMPORARIES; byte t, me = _pid % 2 + 1;
	if :: t = 0 :: t = 1 fi; atomic { tail > t -> i = t }; isPending();
	if :: !ok -> goto done :: else fi;
	d_step { if :: waiter[t] == 0 -> waiter[t] = me :: else -> others[t] = others[t] | BIT(me); hasOthers = true fi };
	if :: F == LOOK_THEN_JOIN :: else -> isPending() fi;
	if :: ok -> if :: told[me] ? _ -> ok = false; goto done :: me == 2 fi :: else fi;
	d_step { ok = waiter[t] == me || others[t] & BIT(me);
		waiter[t] = (waiter[t] == me -> 0 : waiter[t]); others[t] = others[t] & ~BIT(me) };
	if :: ok -> isPending() :: else -> if :: F == LEAVE_TOKEN :: else -> told[me] ? _ fi fi;
done:	assert(len(told[me]) == 0 && (ok || ended & BIT(t)))
}
#else
#define takeOff(t)
#define tellAll()
#endif

#ifdef COUNT
#define DONE(w) ((w & 1) + (w >> 1 & 1))
#define HOWMANY(set) ((set & 1) + (set >> 1 & 1) + (set >> 2 & 1) + (set >> 3 & 1))

active proctype owner() { // Freeze and Thaw
	TEMPORARIES; byte waiting, running, frozen;
	LOCK; do :: d_step { h = head; w = word[h]; ok = w == 0; word[h] = (ok -> FROZEN : w) };
		if :: ok -> break :: else -> moveHead(SIZE(w)) fi od;
	do :: d_step { i < h -> w = word[i]; n = SIZE(w);
			if :: DONE(w) == n :: else -> word[i] = w | FROZEN; frozen = frozen | BIT(i) fi;
			waiting = waiting + n - BEGUN(w); running = running + BEGUN(w) - DONE(w); i = i + n }
	:: else -> break od; atomic { waiting = waiting + tail - h; i = 0;
		assert(running == HOWMANY(started) - HOWMANY(ended) && waiting == tail - HOWMANY(started)) };
	do :: d_step { i < h -> if :: frozen >> i & 1 -> word[i] = word[i] & ~FROZEN :: else fi; i++ } :: else -> break od;
	word[h] = 0; mu = false
}
#endif

#ifndef POOL
#define hire false
#else
mtype = { open, draining, over, serve, look, leave, gone };
mtype phase = open;
chan list = [SUBS] of { byte }; // of submitters who wait for room
chan hired = [WORKERS] of { byte, byte };
byte crew, goroutines, ready, roomAt = NOBODY; // ready: a set of submitters
bool hire = true, settle;

inline surplus() { d_step { if :: phase == open -> ok = false :: else -> oldest(); ok = !ok && head == tail fi; i = 0; w = 0 } }
inline move() { // sets ok if there was room for a task
	d_step { ok = tail - head < CAP; h = tail; tail = tail + ok; accepted = accepted + ok; assert(!ok || !refusing) };
	d_step { if :: ok -> published = published | BIT(h) :: else fi; h = 0 }
}
inline refill() {
	do :: len(list) == 0 -> roomAt = NOBODY; break
	:: else -> move();
		if :: ok -> d_step { list ? i; wake = wake | BIT(i); i = 0 }
		:: else ->
			if :: F == ROOM_LATE -> ok = head <= tail - CAP :: else fi; roomAt = tail + 1 - CAP;
			if :: (F == ROOM_LATE -> ok : head <= tail - CAP) -> break :: else fi fi od
}

inline wakeAndUnlock() {
	refill(); hire = crew < WORKERS;
	if :: hire && idle == 0 -> isReady(); if :: ok -> claim(1) :: else fi :: else fi;
	if :: found != NONE -> atomic { crew++; goroutines++; hired ! first, at; found = NONE; first = 0; at = 0 } :: else fi;
	if :: F == SETTLE_LATE :: else -> settle = phase != open fi; surplus();
	if :: ok -> leaving = idle :: else -> if :: idle > 0 -> isReady(); come = ok :: else fi fi;
	shut = phase != open || len(list) > 0;
	if :: F == SETTLE_LATE -> settle = phase != open :: else fi;
	if :: phase == draining && goroutines == 0 -> surplus(); if :: ok -> phase = over :: else fi :: else fi;
	d_step { ready = ready | wake; wake = 0; mu = false; ok = false };
	do :: leaving > 0 -> leaving--; withdraw(); if :: ok -> calls ! NOBODY, 0 :: else fi :: else -> break od;
	if :: come -> come = false; handOver() :: else fi; ok = false; called = false
}

active proctype stop() {
	TEMPORARIES;
	if :: true -> submitted == SUBS && ended == BIT(accepted) - 1 :: true fi; // after all, or at any time
	LOCK;
	d_step { phase = draining; do :: len(list) > 0 -> list ? i; wake = wake | BIT(i) :: else -> break od; i = 0 };
	d_step { shut = true; refusing = true }; wakeAndUnlock(); phase == over
}
#endif

active [SUBS] proctype submitter() {
	TEMPORARIES; byte t, todo = PER;
	do :: todo == 0 -> break
	:: else -> todo--; push();
#ifdef POOL
		if :: ok && (called || !hire)
		:: else -> LOCK;
			if :: ok || phase != open // refused
			:: else -> shut = true; refill(); ok = false; if :: len(list) == 0 -> move() :: else fi;
				if :: ok :: else -> waits = true; list ! ME fi fi;
			wakeAndUnlock();
			if :: waits -> atomic { ready >> ME & 1 -> ready = ready & ~BIT(ME); waits = false } :: else fi fi;
#endif
		atomic { ok = false; called = false; t = 0 } od;
	submitted++
}

active [WORKERS] proctype worker() {
	TEMPORARIES; byte hf = NOBODY, ha, tell; bool holds, locking; mtype then;
#ifdef POOL
endHired: hired ? first, at -> found = CLAIMED; goto taken;
#endif
next:
#ifdef LONG
	if :: holds -> submitted == SUBS && started == BIT(accepted) - 1 :: else fi;
#endif
#ifdef POOL
	if :: locking -> LOCK; locking = false; surplus();
		if :: ok -> crew--; then = leave :: else -> claim(2); then = (found == NONE -> look : serve) fi;
		if :: found != NONE -> atomic { holds = true; hf = first; ha = at; found = NONE; first = 0; at = 0 } :: else fi;
unlock:		wakeAndUnlock();
		if :: then == leave -> LOCK; goroutines--; then = gone; goto unlock
		:: then == gone -> goto done
		:: then == serve -> goto next
		:: then == look fi
	:: else fi;
#endif
	if :: hf == NOBODY
	:: else ->
		if :: F == TELL_THEN_END && holds -> takeOff(hf + ha) :: else fi; d_step { w = word[hf];
			if :: w & FROZEN && F != END_FROZEN -> found = FROZE
			:: else -> if :: holds -> w = w | BIT(ha); ended = ended | BIT(hf + ha) :: else fi;
				if :: BEGUN(w) < SIZE(w) -> n = BEGUN(w); w = w + ONE; begin(hf + n); found = ANOTHER :: else fi;
				word[hf] = w fi;
			w = 0 };
		if :: F != TELL_THEN_END && holds && found != FROZE -> takeOff(hf + ha) :: else fi; if :: found == FROZE
		:: found == ANOTHER -> atomic { holds = true; ha = n; n = 0; found = NONE }; tellAll(); goto next
		:: else -> atomic { holds = false; hf = NOBODY; ha = 0 } fi fi;
	if :: found == NONE -> claim(2) :: else fi; if
	:: found == FROZE -> tellAll(); LOCK; atomic { mu = false; found = NONE }; goto next
	:: found > FROZE -> tellAll(); goto taken
	:: else fi; if :: F == LOOK_THEN_ANNOUNCE -> isReady() :: else fi; idle++; tellAll();
#ifdef POOL
	if :: settle -> LOCK; surplus(); atomic { locking = ok; mu = false } :: else fi;
#endif
	if :: F == LOOK_THEN_ANNOUNCE :: else -> if :: locking -> ok = true :: else -> isReady() fi fi;
	if :: ok -> withdraw(); if :: ok -> ok = false; goto next :: else fi :: else fi;
endSleep: atomic { calls ? first, at -> locking = false;
		if :: first == NOBODY -> first = 0; goto next :: else -> found = HANDED fi };
taken:	atomic { holds = true; hf = first; ha = at; first = 0; at = 0; n = found; found = NONE };
	if :: F == HANDED_DOES_NOT_LOOK && n == HANDED -> n = 0; goto next :: else fi;
#ifdef POOL
	if :: n == CLAIMED || n == HANDED -> h = head; n = roomAt;
		if :: h >= n -> d_step { ok = roomAt == n; if :: ok -> roomAt = NOBODY :: else fi } :: else fi;
		atomic { h = 0; n = 0 }; if :: ok -> LOCK; then = serve; goto unlock :: else fi
	:: else fi;
#endif
	n = 0; if :: idle > 0 :: else -> if :: hire :: else -> goto next fi fi; isReady();
	if :: ok -> handOver() :: else -> goto next fi;
#ifdef POOL
	if :: !called && hire -> LOCK; then = serve; goto unlock :: else fi;
#endif
	called = false; goto next;
done:	skip
}

active proctype check() {
	timeout; assert(ended == BIT(accepted) - 1 && head == accepted && tail == accepted && !mu);
#ifdef POOL
	assert(phase == over && crew == 0 && goroutines == 0 && len(hired) == 0 && idle == 0)
#else
	assert(accepted == SUBS * PER && idle == WORKERS)
#endif
}
