/* Who else calls the pool, and the pool's goroutines that are no workers. */

inline heedCause(seen) {
#ifdef CANCELS
	if
	:: seen -> hear()
	:: else
	fi
#else
	skip
#endif
}

#ifdef STOPS
/* Stop, at any time */
proctype stopper() {
	bool c;
	atomic { c = parentDone; heedCause(c) }
	rare ! STOP, STOPPER, c;
	inside != STOPPER;
	done -> skip;
	atomic { assert(head == tail && stored == BIT(tail) - 1); finished++ }
}
#endif

/* Stop, when all the others have what they want */
proctype lastStop() {
	bool c;
	letStop;
	atomic { c = parentDone; heedCause(c) }
	rare ! STOP, LAST, c;
	inside != LAST;
	done -> skip;
	atomic { assert(head == tail && stored == BIT(tail) - 1); finished++ }
}

#ifdef CANCELS
/* the end of New's ctx, and with it that of p.ctx */
proctype canceller() {
	parentDone = true;
	atomic { ctxDone = true; noteMost() }
	atomic {
		if
		:: watch == ARMED -> watch = FIRED
		:: else
		fi;
		finished++
	}
}

proctype onCancel() {
end_armed:
	watch == FIRED;
	rare ! CANCEL, CANCELLER, true;
	inside != CANCELLER
}
#endif

#ifdef RESIZES
/* Resize, to each of the numbers in turn */
proctype resizer() {
	byte n;
	do
	:: n < RESIZES ->
		atomic {
			rare ! RESIZE, RESIZER, (n == 0 -> RESIZE0 : RESIZE1);
			n++
		}
		inside != RESIZER
	:: else -> break
	od;
	finished++
}
#endif

#ifdef GETS
/* Get, of any task, also of one that does not come */
proctype getter() {
	byte g;
	bool pushed;
	atomic {
		select(g : 0 .. GETS - 1);
		pushed = (g < tail);
		if
		:: stored & BIT(g) -> goto found
		:: else
		fi
	}
	rare ! GET, GETTER, g;
	atomic {
		inside != GETTER ->
		if
		:: getting || told != 0
		:: else -> goto again
		fi
	}
	if
	:: told == 2
#ifdef GIVEUPS
	:: told != 2 ->
		rare ! UNGET, GETTER, 0;
		inside != GETTER;
		goto out
#endif
	fi;
	assert(stored & BIT(g));
again:
	/* a task that was there before the call is not missed */
	assert(!pushed || stored & BIT(g));
found:
	skip;
out:
	finished++
}
#endif

#ifdef WAITS
proctype waiter() {
	byte n;
	n = tail;
	rare ! WAIT, WAITER, 0;
	calm == 2;
	atomic { assert((stored & (BIT(n) - 1)) == BIT(n) - 1); finished++ }
}
#endif

#ifdef STATS
proctype reader() {
	rare ! STATISTICS, READER, 0;
	inside != READER;
	finished++
}
#endif

/* reap */
proctype reaper() {
	byte n;
end_free:
	reaping;
more:
	rare ! UNRUN, REAPER, 0;
	atomic { inside != REAPER -> n = unrunN; unrunN = 0; }
each:
	atomic {
		if
		:: n == 0 -> goto leave
		:: else
		fi;
		n--;
		assert(!(stored & BIT(head)));
		stored = stored | BIT(head);
		notRunN++
	}
	rare ! SETTLE, REAPER, 0;
	atomic {
		inside != REAPER ->
		if
		:: n > 0 -> goto each
		:: else -> goto more
		fi
	}
leave:
	rare ! REAPED, REAPER, 0;
	inside != REAPER;
	goto end_free
}
