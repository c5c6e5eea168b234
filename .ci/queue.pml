// The handshakes of internal/queue and of pool, for spin: .ci/model explores all states, also with each fault F.
// A step is an atomic operation of the code, or several where that loses nothing: loads whose compare-and-swap
// fails if one is stale; a walk along claims, since what has begun stays so; what only mu guards. A claim takes
// 1 or 2 tasks, at random: the code looks at the clock and at what waits. Left out: Freeze, headSeen, help for
// claims that are left behind, IDs, the cancel, Resize, Wait, tasks that fail; and segments: there is one, but
// all who wait for a task share a slot, as if it were used again and again.
//
// There are up to WORKERS, CREW at first, whose processes are FIRST and up. SUBS submit PER tasks each, BATCH
// at once, with room for CAP. In AWAIT two wait for a task, and one may give up. In POOL there is a Stop. With
// LONG a task runs until two run or all have begun: none waits while a worker sleeps or could be started.
mtype = { NO_FAULT, LOOK_THEN_ANNOUNCE, HEAD_FIRST, TAKE_BLINDLY, PUSH_DOES_NOT_LOOK, HAND_OVER_ONE,
	LOOK_THEN_JOIN, TELL_THEN_END, LEAVE_TOKEN, GO_MISSED, ROOM_LATE, TAIL_UNSHUT, SETTLE_LATE, HIRE_NOT_AGAIN }; // F is one
mtype = { ANOTHER, CLAIMED, HELPED, HANDED }; // what a search has found
#define NONE 0
#define BIT(t) (1 << (t))
#define NOBODY 99 // no claim; no number of tasks
#define ONE 4 // the word of a claim: 2 bits done, 2 begun, 2 size
#define BEGUN(w) ((w) >> 2 & 3)
#define SIZE(w) ((w) >> 4)

byte tail, head, begun, published, word[SUBS * PER + 1], idle; // published: a set of tasks, as those below
chan calls = [0] of { byte, byte }; // a claim and the task's place in it; NOBODY: none
bool mu, shut, refusing; // shut: the tail's bit, which Push sees at once; refusing: Stop has set it
byte accepted, started, ended, submitted; // submitted: how many submitters have ended; for the assertions
#define ALL_BEGUN (submitted == SUBS && started == BIT(accepted) - 1)
#define TWO_RUN ((started & ~ended) & (started & ~ended) - 1)

#define TEMPORARIES mtype found; bool ok, come; byte h, i, n, w, first, at, leaving
#define CLEAR h = 0; i = 0; n = 0; w = 0
#define LOCK atomic { !mu -> mu = true }

inline begin(t) { assert(!(started & BIT(t)) && t < tail); started = started | BIT(t) }
inline withdraw() { d_step { ok = idle > 0; idle = idle - ok } }
inline moveHead(size) { d_step { if :: head == h -> head = h + size :: else fi } }
inline moveBegun() { d_step { if :: begun == h -> begun = h + 1 :: else fi } }
inline oldest() { // within a step: sets i and w, and ok if there is one
	i = begun; ok = false;
	do :: i < head && !ok ->
		w = word[i]; assert(SIZE(w) > 0); // no task is neither before the head nor in a claim
		if :: BEGUN(w) < SIZE(w) -> ok = true :: else -> i = i + SIZE(w) fi
	:: else -> break od;
	begun = i
}
inline claim(most) { // sets found and, if that is a task, first and at
	do :: atomic { h = head; w = word[h]; n = published >> h & 3;
		if :: begun == h && tail == h -> break :: else fi;
		if :: !(n & 1) -> n = 0
		:: n & 1 && w -> n = SIZE(w)
		:: n & 1 && !w -> if :: most == 2 && n == 3 -> n = 2 :: n = 1 fi;
			found = CLAIMED; first = h; begin(h);
			if :: F == HEAD_FIRST -> head = h + n :: else -> word[h] = n << 4 | ONE fi fi };
		if :: n > 0 ->
			if :: F == HEAD_FIRST && found == CLAIMED -> word[h] = n << 4 | ONE :: else -> moveHead(n) fi;
			if :: found == CLAIMED -> if :: n == 1 -> moveBegun() :: else fi; break :: else fi
		:: else -> // help
			if :: F == TAKE_BLINDLY -> d_step { oldest() } :: else fi;
			d_step { if :: F != TAKE_BLINDLY -> oldest() :: else fi;
				if :: ok -> word[i] = w + ONE; first = i; at = BEGUN(w); found = HELPED; begin(i + at) :: else fi };
			break fi od;
	atomic { ok = false; CLEAR }
}
inline isReady() { // sets ok
	do :: atomic { h = head; w = word[h]; n = published >> h & 1; ok = n && !w;
		if :: ok || begun == h && tail == h -> break :: else fi };
		if :: n -> moveHead(SIZE(w))
		:: else -> d_step { oldest() }; if :: ok || head == h -> break :: else fi fi od;
	atomic { CLEAR }
}
inline handOver() {
	do :: withdraw();
		if :: !ok -> break :: else -> claim(1) fi;
		if :: found == NONE -> calls ! NOBODY, 0; break
		:: else -> calls ! first, at; atomic { found = NONE; first = 0; at = 0 } fi;
		if :: idle == 0 || F == HAND_OVER_ONE -> break :: else -> isReady() fi;
		if :: !ok -> break :: else fi od;
	ok = false
}
inline push() { // sets t and ok, or ok = false if there is no room
	if :: F == TAIL_UNSHUT -> ok = !shut :: else fi;
	d_step { ok = (F == TAIL_UNSHUT -> ok : !shut) && tail - head + BATCH <= CAP;
		t = tail; tail = tail + ok * BATCH; accepted = accepted + ok * BATCH; assert(!ok || !refusing) };
	if :: !ok -> goto noRoom
	:: else -> d_step { ok = BATCH == 1 && idle > 0 && begun == t; idle = idle - ok } fi;
	if :: ok ->
		d_step { word[t] = 1 << 4 | ONE; begin(t); h = t };
		moveHead(1); moveBegun(); h = 0; calls ! t, 0; ok = false;
		if :: tail > t + 1 && F != PUSH_DOES_NOT_LOOK -> isReady() :: else fi
	:: else -> d_step { published = published | BIT(BATCH) - 1 << t; ok = true } fi;
	if :: ok -> handOver() :: else fi
}

#ifdef AWAIT
byte waiter, others, want[2], missed, tell; // sets of those who wait; one at most in the first
bool hasOthers;
chan told[3] = [1] of { bit };

inline takeOff(t) { // sets tell, which is the only worker's
	d_step { tell = waiter; missed = missed | waiter & ~want[t]; waiter = 0 };
	if :: hasOthers -> d_step { tell = tell | others; missed = missed | others & ~want[t]; others = 0; hasOthers = false }
	:: else fi
}
inline tellAll() {
	if :: tell & 2 -> assert(len(told[1]) == 0); told[1] ! 1 :: else fi;
	if :: tell & 4 -> assert(len(told[2]) == 0); told[2] ! 1 :: else fi;
	tell = 0
}
inline isPending() { // sets ok
	do :: atomic { n <= t -> w = word[t - n]; if :: w -> ok = n >= SIZE(w) || !(w & BIT(n)); break :: else -> n++ fi }
	:: else -> ok = true; break od;
	atomic { CLEAR }
}
active [2] proctype getter() { // ok: the task has not ended
	TEMPORARIES, t, me = _pid + 1;
	if :: t = 0 :: me == 1 -> t = 1 fi;
	d_step { tail > t -> want[t] = want[t] | BIT(me) };
	isPending();
	if :: !ok -> goto done :: else fi;
again:	if :: d_step { waiter == 0 -> waiter = BIT(me) }
	:: else -> d_step { others = others | BIT(me); hasOthers = true } fi;
	if :: F != LOOK_THEN_JOIN -> isPending() :: else fi;
	if :: ok && len(told[me]) -> told[me] ? _;
		if :: missed & BIT(me) && F != GO_MISSED -> missed = missed & ~BIT(me); goto again :: else -> ok = false; goto done fi
	:: ok && me == 2
	:: !ok fi;
	d_step { ok = ((waiter | others) & BIT(me)) != 0; waiter = waiter & ~BIT(me); others = others & ~BIT(me) };
	if :: ok || F == LEAVE_TOKEN :: else -> told[me] ? _ fi;
	isPending();
done:	assert(len(told[me]) == 0 && (ok || ended & BIT(t)))
}
#else
#define takeOff(t)
#define tellAll()
#endif
mtype = { open, draining, over, serve, look, leave, gone };
mtype phase = open;
chan list = [SUBS] of { byte }; // of submitters who wait for room
chan hired = [WORKERS] of { byte, byte };
byte crew = CREW, goroutines = CREW, wake, ready, roomAt = NOBODY; // wake, ready: sets of submitters
bool hire = CREW < WORKERS, settle;

inline surplus() {
	d_step { if :: phase == open -> ok = false :: else -> oldest(); ok = !ok && head == tail fi; i = 0; w = 0 }
}
inline move() { // sets ok if there was room for a task
	d_step { ok = tail - head < CAP; h = tail; tail = tail + ok; accepted = accepted + ok; assert(!ok || !refusing) };
	d_step { if :: ok -> published = published | BIT(h) :: else fi; h = 0 }
}
inline refill() {
	do :: len(list) == 0 -> roomAt = NOBODY; break
	:: else -> move();
		if :: ok -> d_step { list ? i; wake = wake | BIT(i); i = 0 }
		:: else -> if :: F == ROOM_LATE -> ok = head <= tail - CAP :: else fi;
			roomAt = tail + 1 - CAP;
			if :: (F == ROOM_LATE -> ok : head <= tail - CAP) -> break :: else fi fi od
}
inline mayHire() { ok = false; if :: POOL -> if :: hire -> isReady() :: else fi :: else fi } // sets ok
inline wakeAndUnlock() {
	do :: refill();
		hire = crew < WORKERS; // first; then look
		if :: hire && idle == 0 -> isReady() :: else -> ok = false fi;
		if :: ok -> claim(1) :: else fi;
		if :: found != NONE -> atomic { crew++; goroutines++; hired ! first, at; found = NONE; first = 0; at = 0 } :: else fi;
		if :: F != SETTLE_LATE -> settle = phase != open :: else fi;
		surplus();
		if :: ok -> leaving = idle; ok = false
		:: else -> if :: idle > 0 -> isReady() :: else fi fi;
		come = ok;
		shut = phase != open || len(list) > 0;
		if :: F == SETTLE_LATE -> settle = phase != open :: else fi;
		if :: phase == draining && goroutines == 0 -> surplus(); phase = (ok -> over : phase) :: else fi;
		d_step { ready = ready | wake; wake = 0; mu = false; ok = false };
		do :: leaving > 0 -> leaving--; withdraw(); if :: ok -> calls ! NOBODY, 0 :: else fi
		:: else -> break od;
		if :: come -> come = false; handOver(); if :: F != HIRE_NOT_AGAIN -> mayHire() :: else fi :: else -> ok = false fi;
		if :: ok -> LOCK :: else -> break fi od
}

#if POOL
active proctype stop() {
	TEMPORARIES;
	if :: true -> submitted == SUBS && ended == BIT(accepted) - 1 :: BATCH == 1 fi; // after all, or at any time
	LOCK;
	d_step { phase = draining; shut = true; refusing = true;
		do :: len(list) > 0 -> list ? i; wake = wake | BIT(i) :: else -> break od; i = 0 };
	wakeAndUnlock();
	phase == over
}
#endif
active [SUBS] proctype submitter() {
	TEMPORARIES, t, todo = PER, me = _pid - 1;
	bool waits;
	do :: todo == 0 -> break
	:: else -> todo = todo - BATCH; push();
		mayHire();
		if :: ok -> LOCK; goto unlock :: else -> goto sent fi;
noRoom:		LOCK;
		if :: phase != open // refused
		:: else -> shut = true; refill(); ok = false;
			if :: len(list) == 0 -> move() :: else fi;
			if :: !ok -> waits = true; list ! me :: else fi fi;
unlock:		wakeAndUnlock();
		if :: waits -> atomic { ready >> me & 1 -> ready = ready & ~BIT(me); waits = false } :: else fi;
sent:		atomic { ok = false; t = 0 } od;
	submitted++
}
active [WORKERS] proctype worker() {
	TEMPORARIES, hf = NOBODY, ha;
	bool holds, given, locking;
	mtype then;
	if :: _pid < FIRST + CREW -> goto next :: else fi;
endHired: hired ? first, at; found = CLAIMED; goto taken;
next:	if :: LONG && holds -> ALL_BEGUN || TWO_RUN :: else fi;
	if :: !locking -> goto end :: else fi;
	LOCK; locking = false; surplus();
	if :: ok -> crew--; then = leave :: else -> claim(2); then = (found == NONE -> look : serve) fi;
	if :: found != NONE -> atomic { holds = true; hf = first; ha = at; found = NONE; first = 0; at = 0 } :: else fi;
unlock:	wakeAndUnlock();
	if :: then == leave -> LOCK; goroutines--; then = gone; goto unlock
	:: then == gone -> goto done
	:: then == serve -> goto next
	:: then == look fi;
end:
	if :: hf == NOBODY -> goto search :: else fi;
	if :: F == TELL_THEN_END && holds -> takeOff(hf + ha) :: else fi;
	d_step { w = word[hf];
		if :: holds -> w = w | BIT(ha); ended = ended | BIT(hf + ha) :: else fi;
		if :: BEGUN(w) < SIZE(w) -> n = BEGUN(w); w = w + ONE; begin(hf + n); found = ANOTHER :: else fi;
		word[hf] = w; w = 0 };
	if :: F != TELL_THEN_END && holds -> takeOff(hf + ha) :: else fi;
	if :: found == ANOTHER -> atomic { holds = true; ha = n; n = 0; found = NONE }; tellAll(); goto next
	:: else -> atomic { holds = false; hf = NOBODY; ha = 0 } fi;
search:	if :: given -> given = false :: else -> claim(2) fi;
	if :: found != NONE -> tellAll(); goto taken :: else fi;
	if :: F == LOOK_THEN_ANNOUNCE -> isReady() :: else fi;
	idle++; tellAll();
	if :: POOL -> if :: settle -> LOCK; surplus(); atomic { locking = ok; mu = false } :: else fi :: else fi;
	if :: locking -> ok = true :: else -> if :: F != LOOK_THEN_ANNOUNCE -> isReady() :: else fi fi;
	if :: ok -> withdraw(); if :: ok -> ok = false; goto next :: else fi :: else fi;
endSleep: atomic { calls ? first, at; locking = false;
		if :: first == NOBODY -> first = 0; goto next :: else -> found = HANDED fi };
taken:	atomic { holds = true; hf = first; ha = at; given = found == HANDED; first = 0; at = 0 };
	ok = false;
	if :: POOL -> if :: roomAt != NOBODY -> h = head; n = roomAt :: else -> n = NOBODY fi;
		ok = n != NOBODY && (h >= n || found != CLAIMED || SIZE(word[hf]) == 1)
	:: else fi;
	if :: ok -> d_step { ok = roomAt == n; roomAt = (ok -> NOBODY : roomAt) } :: else fi;
	h = 0; n = 0; found = NONE;
	if :: ok -> LOCK; then = serve; goto unlock :: else fi;
	if :: given || (idle == 0 && !hire) -> goto next :: else -> isReady() fi;
	if :: ok -> handOver() :: else -> goto next fi;
	mayHire();
	if :: ok -> LOCK; then = serve; goto unlock :: else fi;
	goto next;
done:	skip
}
active proctype check() {
	timeout; assert(ended == BIT(accepted) - 1 && head == accepted && tail == accepted && !mu && len(hired) == 0);
	assert(idle == crew && goroutines == crew && (phase == over && crew == 0 || phase == open && accepted == SUBS * PER))
}
