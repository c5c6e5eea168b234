/*
 * What is done with Pool.mu held. Each section begins with its name in the table of
 * README.md; all end in unlock, but for a worker's sleep.
 */

/* What moveLocked and refillLocked go on to */
#define UNLOCKING 0		/* refillLocked in unlock */
#define BEGINNING 1		/* refillLocked in begin */
#define MOVING 2		/* moveLocked after begin */
#define DOZING 3		/* IsReady in nextLocked */

/* refuseLocked */
inline refuse(why) {
	do
	:: listN > 0 -> listN--; err[list[listN]] = why; ready[list[listN]] = 3; list[listN] = 0
	:: else -> break
	od
}

/* tellLocked */
inline tell(id) {
	if
	:: getting && getID == id -> getting = false; told = 1
	:: else
	fi
}

/*
 * settleLocked, for one task. It looks at the tail if somebody asks for quiet. The head
 * does not move then: those who could pop without mu hold a task.
 */
inline settle(id, good) {
#ifdef STATS
	if
	:: good -> settledWell++
	:: else -> othersN++
	fi;
#endif
	tell(id);
	if
	:: asked && running == 0 && tail == head -> asked = false; calm = 1
	:: else
	fi
}

/* work.Signal */
inline signal() {
	if
	:: asleep[0] == 1 -> asleep[0] = 2
#if SLOTS > 1
	:: asleep[1] == 1 -> asleep[1] = 2
#endif
#if SLOTS > 2
	:: asleep[2] == 1 -> asleep[2] = 2
#endif
	:: else
	fi
}

/* crew.add and go p.run */
inline spawn() {
	j = 0;
	do
	:: inCrew[j] -> j++
	:: else -> break
	od;
	inCrew[j] = true;
	started[j] = false;
	crewN++;
	j = 0
}

/* what the bits of the ends are, when mu is free */
#ifdef FAULT_TAIL_OPEN_TO_ALL
#define TAILSHUT (closed != NONE || target == 0)
#else
#define TAILSHUT (closed != NONE || target == 0 || listN > 0)
#endif
#ifdef FAULT_HEAD_OPEN_TO_SURPLUS
#define HEADSHUT (abort != NONE)
#else
#define HEADSHUT (abort != NONE || crewN > target)
#endif

/* surplusLocked; looks at the head if the pool is closed */
#define SURPLUS (crewN > target || closed != NONE && tail == head || abort != NONE)

/* endLocked, what unlock does after it, and what has to hold whenever mu is free */
inline endAndUnlock() {
	if
	:: !ended && closed != NONE && tail == head &&
#ifndef FAULT_ENDS_WITH_CREW
		crewN == 0 &&
#endif
		!reaping ->
		if
#ifndef FAULT_ENDS_UNWATCHED
		:: !watched && watch == FIRED
#endif
		:: else ->
			if
			:: !watched && watch == ARMED -> watch = TAKEN
			:: else
			fi;
			watched = true;
			ended = true;
			done = true
		fi
	:: else
	fi;
	j = 0; n = 0; h = 0;
	do
	:: j < SLOTS ->
		n = n + (mark[j] != 0);
		h = h + (asleep[j] != 0);
		assert(mark[j] == 0 || inCrew[j]);
		j++
	:: else -> break
	od;
	assert(running == n && idle == h && running <= crewN);
	assert(tailShut == (closed != NONE || target == 0 || listN > 0));
	assert(headShut == (abort != NONE || crewN > target));
	assert(!ended || crewN == 0 && tail == head && !reaping && !getting && !asked && listN == 0);
	assert(ended == done);
	j = 0;
	do
	:: j < SUBS ->
		if
		:: ready[j] == 3 -> ready[j] = 2
		:: else
		fi;
		j++
	:: else -> break
	od;
	if
	:: told == 1 -> told = 2
	:: else
	fi;
	if
	:: calm == 1 -> calm = 2
	:: else
	fi;
	j = 0; n = 0; h = 0; who = 0; with = 0; sub = 0; at = 0; call = 0; op = 0;
	phase = UNLOCKING; first = false;
	inside = 0
}

inline moved() {
	if
	:: phase == MOVING -> phase = UNLOCKING; goto beginMoved
	:: else -> goto refilled
	fi
}

/*
 * The stages of unlock. Each that would change what others see ends the step; those
 * that find all as it should be go on to the next in the same step. (wanted is written
 * with mu only, callAt otherwise only by those who take a call back, the bits of the
 * ends with mu only: to find them so is not to be overtaken.)
 */
inline refillDone() {
	at = 0; call = 0; sub = 0;
	if
	:: phase == BEGINNING -> goto begun
	:: else -> goto wake
	fi
}

/*
 * cancelCause, of one who has found that parentDone: what he does next comes after heard.
 * So the two are one step, and heard and ctxDone are looked at in one: none is ever
 * lowered, so that to see the first later, or the second sooner, makes no difference.
 */
inline hear() {
	heard = true;
	noteMost()
}
inline noteMost() {
#ifdef CANCELS
	/* Who holds mu then may have found a moment before that there was no cancel. */
	if
	:: inside == 0 && listN > 0 -> most = tail
	:: else
	fi
#else
	skip
#endif
}

/* refillLocked, the beginning of each turn */
#ifdef FAULT_ROOM_AFTER_CANCEL
#define GIVES_ROOM (listN > 0)
#elif defined FAULT_ROOM_UNTIL_CTX_HEARS
#define GIVES_ROOM (listN > 0 && !ctxDone)
#elif defined FAULT_ROOM_UNTIL_HEARD
#define GIVES_ROOM (listN > 0 && !heard)
#else
#define GIVES_ROOM (listN > 0 && !heard && !ctxDone)
#endif
inline refillNext() {
	call = (getting -> EVERYBODY : NOBODY);
	if
	:: GIVES_ROOM -> sub = list[0]; goto move
	:: !GIVES_ROOM && callAt != call -> callAt = call; refillDone()
	:: else
	fi;
	call = 0;
	if
	:: phase == BEGINNING -> goto begun
	:: else
	fi
}

/* wakeLocked, up to IsReady */
inline wakeNext() {
	if
	:: abort == NONE && !waking && (idle > 0 || crewN < target) ->
		if
		:: wanted -> h = head; goto readyTurn
		:: else -> wanted = true; goto isReady
		fi
	:: else ->
		if
		:: wanted != (abort != NONE) -> wanted = (abort != NONE); goto others
		:: else
		fi
	fi
}

/* The rest. If the pool is closed, the tail is shut already, and the head is what is
 * looked at; if not, the tail is what is written. */
inline othersNext() {
	if
#ifndef FAULT_SURPLUS_SLEEPS
	:: idle > 0 && SURPLUS ->
		do
		:: j < SLOTS ->
			if
			:: asleep[j] == 1 -> asleep[j] = 2
			:: else
			fi;
			j++
		:: else -> break
		od;
		j = 0
#endif
	:: else
	fi;
	assert(closed == NONE || tailShut);
	if
	:: closed != NONE && !headShut && idle > 0 -> goto heads
	:: tailShut != TAILSHUT -> tailShut = TAILSHUT; goto heads
	:: else
	fi
}

inline headsNext() {
	if
	:: headShut && !HEADSHUT -> headShut = false; goto ending
	:: else -> headShut = HEADSHUT
	fi;
	endAndUnlock();
	goto end_free
}

inline unlocking() {
	refillNext();
	wakeNext();
	othersNext();
	headsNext()
}

/* begin, up to refillLocked */
inline beginNext() {
	who = inside - SUBMITTER(0);
	if
	:: closed != NONE -> err[who] = closed; unlocking()
	:: closed == NONE && target == 0 -> err[who] = NOWORKERS; unlocking()
	:: else ->
		phase = BEGINNING;
		if
		:: !tailShut -> tailShut = true; goto refill
		:: else -> refillNext()
		fi
	fi
}

/* arriveLocked */
inline arriveNext() {
	if
	:: !started[who] -> started[who] = true; waking = false
	:: else
	fi;
	if
	:: mark[who] != 0 ->
		n = mark[who];
		mark[who] = 0;
		running--;
		settle(n, !bad[who]);
		n = 0;
		bad[who] = false
	:: else
	fi
}

/* nextLocked, the beginning of each turn; what it looks at is the head, here or there */
inline loopNext() {
	if
	:: SURPLUS -> inCrew[who] = false; started[who] = false; crewN--; goto unlock
	:: !(SURPLUS) && (closed != NONE || asked) -> goto pop
	:: else
	fi;
	assert(!headShut);	/* or there is surplus */
	h = head;
	goto popTurn
}

active proctype mu() {
	mtype op;
	byte who;		/* the submitter or worker that is inside */
	byte with;		/* the argument: that of a section, or the cause seen before it */
	byte phase;
	byte h, n, j, sub, at, call;
	short room;
	bool first;		/* the first look of a Get */

end_free:
	if
	:: atomic {
		lock ? PUSHED, inside, _ ->
		if
#ifndef FAULT_NO_SWEEP
		:: abort != NONE && dropped < head -> j = dropped; goto sweep
#endif
		:: else
		fi;
		unlocking()
	}
	:: atomic {
		lock ? TRY, inside, with ->
		op = TRY;
		if
		:: with -> goto close
		:: else
		fi;
		beginNext()
	}
	:: atomic {
		lock ? ALL, inside, with ->
		op = ALL;
		if
		:: with -> goto close
		:: else
		fi;
		beginNext()
	}
	:: atomic {
		lock ? NEXT, inside, with ->
		op = NEXT;
		who = inside - WORKER(0);
		if
		:: with -> goto close
		:: else
		fi;
		arriveNext();
		loopNext()
	}
	:: atomic {
		lock ? AGAIN, inside, _ ->
		op = AGAIN;
		who = inside - WORKER(0);
		loopNext()
	}
	:: atomic {
		lock ? WOKE, inside, _ ->
		op = WOKE;
		who = inside - WORKER(0);
		asleep[who] = 0;
		idle--;
#ifndef FAULT_WAKING_STAYS
		waking = false;
#endif
		loopNext()
	}
	:: atomic {
		lock ? TELL, inside, n ->
		if
		:: n >= CAUSE -> n = n - CAUSE; op = TELL; with = true; goto close
		:: else
		fi;
		tell(n);
		n = 0;
		unlocking()
	}
	:: atomic {
		rare ? op, inside, with ->
		if
#ifdef GIVEUPS
		:: op == GIVEUP -> who = inside - SUBMITTER(0); goto giveUp
#endif
		:: op == STOP -> goto close
#ifdef CANCELS
		:: op == CANCEL -> assert(!ended); watched = true; goto close
#endif
#ifdef RESIZES
		:: op == RESIZE -> goto resize
#endif
#ifdef GETS
		:: op == GET -> first = true; goto pending
		:: op == UNGET -> getting = false; goto unlock
#endif
#ifdef WAITS
		:: op == WAIT -> goto quiet
#endif
#ifdef STATS
		:: op == STATISTICS -> goto stats
#endif
		:: op == UNRUN -> unrunN = tail - head; goto unlock
		:: op == SETTLE -> goto drop
		:: op == REAPED -> reaping = false; goto unlock
		fi
	}
	fi;

	/* ---- pushed: Sweep ---- */
sweep:
	atomic {
		if
		:: turn[AT(OF(j), j)] == j + 1 -> item[AT(OF(j), j)] = 0
		:: else
		fi;
		j++;
		if
		:: j < head -> goto sweep
		:: else -> j = 0; goto unlock
		fi
	}

	/* ---- begin, after the close of a cancel; and what trySubmit and SubmitAll do after it ---- */
begin:
	atomic { beginNext() }
begun:
	atomic {
		phase = MOVING;
		if
		:: listN > 0 -> moved()
		:: else -> sub = who; goto move
		fi
	}
beginMoved:
	atomic {
		if
		:: rest[who] == 0
		:: rest[who] > 0 && op == TRY ->
			/* fullLocked */
			if
			:: listN > 0 || head < tail + 1 - MIN(tail + 1, CAP) -> err[who] = FULL
			:: else
			fi
		:: else -> list[listN] = who; listN++; ready[who] = 1
		fi;
		goto unlock
	}

	/* ---- giveUp ---- */
giveUp:
	atomic {
		if
		:: rest[who] > 0 && err[who] == NONE ->
			err[who] = GAVEUP;
			do
			:: list[j] != who -> j++
			:: else -> break
			od;
			do
			:: j + 1 < listN -> list[j] = list[j + 1]; j++
			:: else -> break
			od;
			listN--; list[listN] = 0; j = 0
		:: else
		fi;
		goto unlock
	}

	/* ---- moveLocked: PushShut, as often as there is room, for the rest of sub ---- */
move:
	atomic {
		n = rest[sub]; j = 0;
		room = LIMIT(OF(tail)) - (tail - seen);
		if
		:: room >= n -> goto free
		:: else -> goto look
		fi
	}
look:
	atomic { h = head; goto looked }
looked:
	atomic {
		seen = h;
		room = LIMIT(OF(tail)) - (tail - h);
		n = MIN(n, MAX(room, 0));
		h = 0;
		if
		:: n > 0 -> goto free
		:: else -> goto push
		fi
	}
free:
	atomic {
		if
		:: turn[AT(OF(tail), tail + j)] == tail + j ->
			j++;
			if
			:: j < n -> goto free
			:: else -> goto push
			fi
		:: else -> n = j; goto push
		fi
	}
push:
	/* The tail counts up as the items are published, not before: it is shut, and
	 * nobody else's business. */
	atomic {
		j = 0; room = 0;
		if
		:: n == 0 ->
#ifdef GROW
			if
			:: ring == 0 -> goto grow
			:: else
			fi;
#endif
			moved()
		:: else ->
			assert(item[AT(OF(tail), tail)] == 0 && turn[AT(OF(tail), tail)] == tail);
			item[AT(OF(tail), tail)] = tail + 1;
			turn[AT(OF(tail), tail)] = tail + 1;
			tail++;
#ifdef CANCELS
			assert(tail <= most);
#endif
			rest[sub]--;
			n--;
			if
			:: n > 0 -> goto push
			:: n == 0 && rest[sub] > 0 -> goto move
			:: else -> moved()
			fi
		fi
	}
#ifdef GROW
	/* The head as it was seen a moment ago serves for grow's own look at it. */
grow:
	atomic {
		if
		:: SIZE(0) - (tail - seen) >= 1 && turn[AT(0, tail)] == tail -> moved()
		:: else ->
			base = tail;
			ring = 1;
			j = 0;
			do
			:: j < SIZE(1) -> turn[AT(1, base + j)] = base + j; j++
			:: else -> break
			od;
			goto move
		fi
	}
#endif

	/* ---- unlock, and refillLocked, with which it begins ---- */
unlock:
refill:
	atomic { unlocking() }
refilled:
	atomic {
		if
		:: rest[sub] == 0 ->
			ready[sub] = 3;
			listN--;
#if SUBS > 1
			list[0] = list[1];
#endif
#if SUBS > 2
			list[1] = list[2];
#endif
			list[listN] = 0;
			goto refill
		:: else
		fi;
		n = MIN(rest[sub], MAX(1, CAP / 2));
		at = tail + n - MIN(tail + n, CAP);
		n = 0;
#ifdef FAULT_NO_LOOK_FOR_FREE
		if
		:: head >= at -> refillDone()
		:: else
		fi;
#endif
		if
		:: head >= at -> at = EVERYBODY
		:: else
		fi;
#ifdef FAULT_CALLS_AFTER_LOOK
		goto lookAgain
#endif
	}
callOut:
	atomic {
		callAt = MIN(call, at);
#if defined FAULT_NO_SECOND_LOOK_FOR_ROOM || defined FAULT_CALLS_AFTER_LOOK
		refillDone()
#endif
	}
lookAgain:
	atomic {
		if
		:: at != EVERYBODY && head >= at -> goto refill
		:: at != EVERYBODY && head < at
		:: at == EVERYBODY && turn[AT(OF(tail), tail)] == tail -> goto refill
		:: at == EVERYBODY && turn[AT(OF(tail), tail)] != tail
		fi;
#ifdef FAULT_CALLS_AFTER_LOOK
		goto callOut
#endif
		refillDone()
	}

	/* ---- wakeLocked ---- */
wake:
	atomic { wakeNext(); othersNext(); headsNext() }

	/* ---- IsReady ---- */
isReady:
	atomic { h = head; goto readyTurn }
readyTurn:
	atomic {
		if
		:: turn[AT(OF(h), h)] == h + 1 ->
			h = 0;
			if
			:: phase == DOZING -> phase = UNLOCKING; goto loop
			:: else -> goto rouse
			fi
		:: else -> goto readyHead
		fi
	}
readyHead:
	atomic {
		if
		:: head != h -> goto isReady
		:: else
		fi;
		h = 0;
		if
		:: phase == DOZING -> phase = UNLOCKING; goto doze
		:: else -> goto others
		fi
	}
rouse:
	atomic {
		waking = true;
		wanted = false;
		if
		:: idle > 0 -> signal()
		:: else -> spawn()
		fi;
		goto others
	}

	/* ---- the rest of unlock ---- */
others:
	atomic { othersNext(); headsNext() }
heads:
	atomic { headsNext() }
ending:
	atomic { endAndUnlock(); goto end_free }

	/* ---- nextLocked ---- */
arrive:
	atomic { arriveNext(); loopNext() }
loop:
	atomic { loopNext() }
	/* ---- Pop, with mu ---- */
pop:
	atomic {
		if
		:: headShut -> goto popNone
		:: else -> h = head; goto popTurn
		fi
	}
popTurn:
	atomic {
		if
		:: turn[AT(OF(h), h)] == h + 1 -> goto popSwap
		:: else -> goto popHead
		fi
	}
popHead:
	atomic {
		if
		:: head != h -> goto pop
		:: else -> h = 0; goto popNone
		fi
	}
popSwap:
	atomic {
		if
		:: head == h ->
			head++;
			assert(item[AT(OF(h), h)] == h + 1);
			item[AT(OF(h), h)] = 0;
			mark[who] = h + 1;
			running++
		:: else -> goto pop
		fi
	}
	atomic {
		turn[AT(OF(h), h)] = h + SIZE(OF(h));
		h = 0;
#ifdef FAULT_NO_CHAIN
		goto others
#else
		goto unlock
#endif
	}
popNone:
	atomic {
		if
#ifndef FAULT_SLEEPS_UNTIDY
		:: op != AGAIN -> goto unlock
#endif
		:: else -> wanted = true;
#ifdef FAULT_SLEEPS_AT_ONCE
			goto doze
#endif
			phase = DOZING; goto isReady
		fi
	}
doze:
	atomic {
		/* work.Wait frees the lock, without unlock */
		idle++;
		asleep[who] = 1;
		op = 0; who = 0; with = 0;
		inside = 0;
		goto end_free
	}

	/* ---- Resize and closeLocked ---- */
resize:
	atomic {
		if
		:: ended || abort != NONE -> goto unlock
		:: else
		fi;
		target = resizeTo;
		if
		:: target == 0 -> refuse(NOWORKERS)
		:: else
		fi;
		if
		:: closed != NONE -> goto close
		:: else -> goto unlock
		fi
	}
close:
	atomic {
		if
		:: with && !cause -> cause = true; abort = CANCELLED; closed = CANCELLED
		:: else ->
			if
			:: closed == NONE -> closed = CLOSED
			:: else
			fi
		fi;
		refuse(closed);
		tailShut = true
	}
	atomic {
		if
		:: abort == NONE && target == 0 ->
#ifndef FAULT_HEAD_STAYS_OPEN
			headShut = true;
#endif
			if
			:: head < tail -> abort = NOWORKERS
			:: else
			fi
		:: else
		fi;
#ifdef FAULT_HEAD_STAYS_OPEN
	}
	atomic {
#endif
		if
		:: abort != NONE ->
			headShut = true;
			if
			:: head < tail && !reaping -> reaping = true
			:: else
			fi
		:: else
		fi;
		if
		:: op == NEXT -> goto arrive
		:: op == TRY || op == ALL -> goto begin
		:: op == TELL -> tell(n); n = 0; goto unlock
		:: else -> goto unlock
		fi
	}

	/* ---- await, and pendingLocked ---- */
pending:
	atomic {
		if
		:: with >= tail -> goto notPending
		:: else -> goto pendingHead
		fi
	}
pendingHead:
	/* IsWaiting, to the end of the next step */
	atomic {
		if
		:: with >= head -> goto isPending
		:: with < head && with >= dropped -> j = 0; goto pendingMark
		:: else -> goto pendingTurn
		fi
	}
pendingTurn:
	atomic {
		if
		:: turn[AT(OF(with), with)] == with + 1 -> goto isPending
		:: else -> j = 0; goto pendingMark
		fi
	}
pendingMark:
	atomic {
		if
		:: inCrew[j] && mark[j] == with + 1 -> j = 0; goto isPending
		:: else -> j++
		fi;
		if
		:: j < SLOTS -> goto pendingMark
		:: else -> j = 0; goto notPending
		fi
	}
isPending:
	atomic {
		if
		:: first ->
			first = false;
			getting = true;
			getID = with + 1;
			callAt = EVERYBODY;
#ifdef FAULT_GET_LOOKS_ONCE
			goto unlock
#endif
			goto pending
		:: else -> goto unlock
		fi
	}
notPending:
	atomic {
		if
		:: !first -> tell(with + 1)
		:: else
		fi;
		goto unlock
	}

	/* ---- Wait ---- */
quiet:
	atomic {
		if
		:: running == 0 && tail == head -> calm = 1
		:: else -> asked = true
		fi;
		goto unlock
	}

	/* ---- Stats ---- */
stats:
	atomic { headShut = true }
	atomic {
#ifdef STATS
		/* With Succeeded as the rest of it, the sum is right by construction; but is
		 * the rest what has succeeded? */
		assert(head == settledWell + othersN + running && tail >= head);
#endif
		goto unlock
	}

	/* ---- settleWaiting: Drop, of the first task ---- */
drop:
	atomic {
		if
		:: dropped == NEVER -> dropped = head
		:: else
		fi;
		h = head;
		head++
	}
	atomic {
		if
		:: turn[AT(OF(h), h)] == h + 1 -> item[AT(OF(h), h)] = 0
		:: else
		fi;
		settle(h + 1, false);
		h = 0;
		goto unlock
	}
}
