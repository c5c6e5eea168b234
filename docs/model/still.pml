/*
 * Whenever nobody can go on, nobody who sleeps may be needed: that is what a lost
 * wake-up looks like. Then a task that hangs is let go, or, if there is none, the pool
 * is stopped; and in the end all is as it should be.
 */

#if SLOTS > 1
#define HUNG (hung[0] || hung[1])
#else
#define HUNG hung[0]
#endif

proctype still() {
	byte n, j;
	do
	:: atomic {
		timeout ->
		/* Nobody waits for the lock, or has it. */
		assert(inside == 0);
		/* No worker is missing. */
		assert(abort != NONE || running == MIN(target, running + tail - head) || running > target);
		assert(abort == NONE || tail == head && listN == 0 && !reaping);
		assert(closed == NONE && target > 0 || listN == 0);
		/* No submitter waits for room that is there, but for the rest of a batch that
		 * is longer than half of the queue: it may wait for that much. */
		assert(listN == 0 || CAP - (tail - head) < MIN(rest[list[0]], MAX(1, CAP / 2)));
		/* No surplus worker is there, but in a task. */
		assert(crewN <= target || crewN == running);
		/* Who waits, waits for something. */
		assert(!getting || getID > head || mark[0] == getID
#if SLOTS > 1
			|| mark[1] == getID
#endif
#if SLOTS > 2
			|| mark[2] == getID
#endif
			);
		assert(!asked || running > 0 || tail > head);
		assert(ended || closed == NONE || crewN > 0);
		}
		if
#ifdef HANGS
		:: hung[0] -> hung[0] = false
#if SLOTS > 1
		:: hung[1] -> hung[1] = false
#endif
#endif
		:: !HUNG && !letStop ->
			atomic {
				/* All have what they want, but for those whom Resize(0) lets wait. */
				assert(finished == users || target == 0 && tail > head && finished == users - asked - getting
#ifdef STOPS
					|| finished == users - 1 && !ended
#endif
					);
				letStop = true
			}
		:: !HUNG && letStop -> break
		fi
	od;
	atomic {
		assert(finished == users + 1);
		assert(ended && done && crewN == 0 && idle == 0 && running == 0);
		assert(tail == head && tail == accepted && stored == BIT(tail) - 1);
		/* Stop speaks of tasks that were not run if and only if there are any. */
		assert(cause || (abort != NONE) == (notRunN > 0));
		assert(cause || abort != NONE || startedTasks == stored);
		/* Nothing is kept. */
		n = 0;
		do
		:: n < PLACES -> assert(item[n] == 0); n++
		:: else -> break
		od;
		/* Not even the onCancel of a context that ends now is to come. */
		assert(watched && watch != ARMED)
	}
}
