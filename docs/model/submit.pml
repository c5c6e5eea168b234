/* Submitters. What they do with Pool.mu held is in lock.pml. */

#ifndef CANCELS
#define lookAt pushAll
#endif

/* a call returns, and the next is made */
inline submit() {
	if
	:: calls == 0 -> goto end_submitter
	:: else
	fi;
	calls--;
	rest[i] = (i == SUBS - 1 -> BATCH : 1);
	all = (rest[i] > 1);
	goto lookAt
}

inline over() {
	assert((rest[i] == 0) == (err[i] == NONE));
	accepted = accepted + (i == SUBS - 1 -> BATCH : 1) - rest[i];
	rest[i] = 0; err[i] = NONE; ready[i] = 0; all = false;
	if
	:: calls == 0 -> finished++
	:: else
	fi;
	submit()
}

inline pushedOver() {
	if
	:: rest[i] == 0 -> over()
	:: else -> goto pushAll
	fi
}

/* after a section: what now? */
#define LOOPS (!all && rest[i] > 0 && err[i] == NONE)
#define WAITS_FOR_ROOM (ready[i] == 1 || ready[i] == 3)
#ifdef TRYSUBMITS
#define RETURNS (!LOOPS && !WAITS_FOR_ROOM)
#else
#define RETURNS (!LOOPS && !WAITS_FOR_ROOM && err[i] != FULL)
#endif

proctype submitter(byte i) {
	byte calls = CALLS;
	byte t, n, j, h;
	short room;
	bool all;		/* SubmitAll, not trySubmit */
	bool r;			/* the ring */
#ifdef FAULT_LOOKS_BEFORE_PUBLISHING
	bool early;
#endif

	atomic { submit() }

#ifdef CANCELS
	/* ---- lookAt ---- */
lookAt:
	atomic {
		if
		:: parentDone -> hear(); err[i] = CANCELLED; over()
		:: else -> goto pushAll
		fi
	}
#endif

	/* ---- Push, PushAll: the former is the latter for one task ---- */
pushAll:
	atomic {
		if
		:: tailShut -> goto slow
		:: else
		fi;
		t = tail;
#ifdef GROW
	}
	atomic {
		r = ring;
#endif
		n = rest[i];
		goto room1
	}
room1:
	atomic {
		room = LIMIT(r) - (t - seen);
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
		room = LIMIT(r) - (t - h);
		n = MIN(n, MAX(room, 0));
		h = 0;
		if
		:: n > 0 -> goto free
		:: else -> goto none
		fi
	}
free:
	atomic {
		room = 0;
		if
		:: turn[AT(r, t + j)] == t + j ->
			j++;
			if
			:: j < n -> goto free
			:: else -> goto swap
			fi
		:: else ->
			n = j;
			if
			:: n > 0 -> goto swap
			:: else -> goto none
			fi
		fi
	}
none:
	atomic {
		r = 0; n = 0; j = 0; room = 0;
		if
		:: tail == t && !tailShut -> t = 0; goto slow
		:: else -> t = 0; goto pushAll
		fi
	}
swap:
	atomic {
		j = 0;
		if
#ifdef FAULT_TICKET_WITHOUT_BIT
		:: tail == t ->
#else
		:: tail == t && !tailShut ->
#endif
			tail = tail + n;
			/* The tail is shut whenever a push is not to pass. While somebody is
			 * inside mu it may be about to be. */
			assert(inside != 0 || closed == NONE && target > 0);
			assert(listN == 0);	/* nobody passes those who wait for room */
			assert(tail - head <= CAP)
		:: else -> t = 0; n = 0; r = 0; goto pushAll
		fi;
#ifdef GROW
	}
	atomic {
		r = OF(t);
#endif
#ifdef FAULT_LOOKS_BEFORE_PUBLISHING
	}
	atomic {
		early = wanted;
#endif
		goto write
	}
write:
	atomic {
		assert(item[AT(r, t)] == 0 && turn[AT(r, t)] == t);
#ifdef FAULT_PUBLISHES_BEFORE_WRITING
		turn[AT(r, t)] = t + 1
	}
	atomic {
#endif
		item[AT(r, t)] = t + 1;
		turn[AT(r, t)] = t + 1;
		t++;
		n--;
		rest[i]--;
		if
		:: n > 0 -> goto write
		:: else -> t = 0; r = 0; goto pushed
		fi
	}

	/* ---- pushed ---- */
pushed:
	atomic {
		if
#ifdef FAULT_LOOKS_BEFORE_PUBLISHING
		:: early -> early = false; goto pushedWanted
#else
		:: wanted -> goto pushedWanted
#endif
		:: else -> pushedOver()
		fi
	}
pushedWanted:
	lock ! PUSHED, SUBMITTER(i), 0;
	atomic { inside != SUBMITTER(i) -> pushedOver() }

	/* ---- trySubmit and SubmitAll, with mu ---- */
slow:
#ifdef CANCELS
	atomic {
		if
		:: parentDone -> hear(); goto slowCause
		:: else
		fi
	}
#endif
	if
	:: !all -> lock ! TRY, SUBMITTER(i), false
	:: all -> lock ! ALL, SUBMITTER(i), false
	fi;
#ifdef CANCELS
	goto slowBack;
slowCause:
	if
	:: !all -> lock ! TRY, SUBMITTER(i), true
	:: all -> lock ! ALL, SUBMITTER(i), true
	fi;
slowBack:
#endif
	/* Then trySubmit starts over, Submit goes on to SubmitAll, and SubmitAll waits
	 * for ready, unless it is done. */
	if
	:: atomic { inside != SUBMITTER(i) && LOOPS -> goto slow }
#ifndef TRYSUBMITS
	:: atomic {
		inside != SUBMITTER(i) && !all && err[i] == FULL ->
		err[i] = NONE; all = true;
		goto lookAt
	}
#endif
	:: atomic { inside != SUBMITTER(i) && RETURNS -> over() }
#ifdef GIVEUPS
	:: atomic { inside != SUBMITTER(i) && WAITS_FOR_ROOM -> goto giveUp }
#endif
	fi;
#ifdef GIVEUPS
giveUp:
	rare ! GIVEUP, SUBMITTER(i), 0;
	atomic { inside != SUBMITTER(i) -> over() }
#endif
end_submitter:
	false
}
