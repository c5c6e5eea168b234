/* Workers. What they do with Pool.mu held, nextLocked above all, is in lock.pml. */

proctype worker(byte w) {
	byte h;			/* the head; later callAt */
	byte old;		/* the task that the worker has just put, + 1 */

	/* ---- run: a goroutine that has not begun ---- */
end_free:
	atomic { inCrew[w] -> goto nextLocked }

	/* ---- nextLocked ---- */
nextLocked:
#ifdef CANCELS
	atomic {
		if
		:: parentDone -> hear(); goto nextCause
		:: else
		fi
	}
#endif
	lock ! NEXT, WORKER(w), false;
#ifdef CANCELS
	goto back;
nextCause:
	lock ! NEXT, WORKER(w), true;
#endif
back:
	atomic {
		inside != WORKER(w) ->
		if
		:: !inCrew[w] || !started[w] -> goto end_free	/* it has left; perhaps another has come since */
		:: inCrew[w] && started[w] && asleep[w] != 0 -> goto end_asleep
		:: inCrew[w] && started[w] && asleep[w] == 0 && mark[w] != 0 -> goto work
		:: else -> goto tidied
		fi
	}
tidied:
	lock ! AGAIN, WORKER(w), 0;
	goto back;
end_asleep:
	asleep[w] == 2;
	lock ! WOKE, WORKER(w), 0;
	goto back;

	/* ---- shift: the task's function, or not ---- */
work:
	atomic {
		old = mark[w];
#ifndef FAULT_STARTS_CANCELLED
		if
		:: parentDone -> hear(); notRunN++; bad[w] = true; goto put
		:: else
		fi;
#endif
		assert(!parentDone);
		assert(!(startedTasks & BIT(old - 1)));
		startedTasks = startedTasks | BIT(old - 1);
		inTasks++;
		assert(inTasks <= SLOTS);
		if
#ifdef HANGS
		:: hung[w] = true; goto hang
#endif
#if defined HANGS || defined GETS
		:: goto put
		fi
	}
#ifdef HANGS
hang:
	!hung[w];
#endif
put:
	atomic {
#else
		/* Nobody looks into the store: to put the result is no step of its own. */
		:: skip
		fi;
put:
#endif
		assert(!(stored & BIT(old - 1)));
		stored = stored | BIT(old - 1);
		if
		:: bad[w] -> old = 0; goto nextLocked
		:: !bad[w] ->
			inTasks--;
			goto next
#ifdef FAILS
		:: !bad[w] ->
			inTasks--;
			old = 0;
			bad[w] = true;
			goto nextLocked
#endif
		fi
	}

	/* ---- next: Pop without mu ---- */
next:
	atomic {
		if
		:: headShut -> old = 0; goto nextLocked
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
		:: head != h || headShut -> h = 0; goto next
		:: else -> h = 0; old = 0; goto nextLocked
		fi
	}
popSwap:
	atomic {
		if
		:: head == h && !headShut ->
			head++;
			assert(inside != 0 || abort == NONE && crewN <= target);
#ifdef STATS
			settledWell++
#endif
		:: else -> h = 0; goto next
		fi
	}
#ifdef FAULT_FREES_BEFORE_TAKING
	atomic { turn[AT(OF(h), h)] = h + SIZE(OF(h)) }
#endif
	atomic {
		assert(item[AT(OF(h), h)] == h + 1);
		item[AT(OF(h), h)] = 0;
#ifndef FAULT_MARKS_LATE
		mark[w] = h + 1
#endif
	}
#ifndef FAULT_FREES_BEFORE_TAKING
	atomic { turn[AT(OF(h), h)] = h + SIZE(OF(h)) }
#endif
#ifdef FAULT_MARKS_LATE
	atomic { mark[w] = h + 1 }
#endif

	/* ---- calls ---- */
	atomic {
		h = callAt;
		if
		:: mark[w] >= h && h == EVERYBODY -> goto tellOld
		:: mark[w] >= h && h != EVERYBODY -> goto answer
		:: else -> h = 0; goto work
		fi
	}
answer:
	atomic {
		if
		:: callAt == h -> callAt = NOBODY; h = 0; goto tellOld
		:: else -> h = 0; goto work
		fi
	}
tellOld:
#ifdef CANCELS
	atomic {
		if
		:: parentDone -> hear(); goto tellCause
		:: else
		fi
	}
#endif
	lock ! TELL, WORKER(w), old;
#ifdef CANCELS
	goto told1;
tellCause:
	lock ! TELL, WORKER(w), old + CAUSE;
told1:
#endif
	atomic { inside != WORKER(w) -> goto work }
}
