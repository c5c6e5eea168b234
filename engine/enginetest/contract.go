package enginetest

import "github.com/resultpool/resultpool/internal/kit"

// contract returns that of package engine, word for word: see TestContract.
func contract() *kit.Contract {
	return &kit.Contract{
		Package:   "engine",
		Interface: "Engine",
		Clauses: []string{
			1: "When Push returns nil, each of tasks is in the queue, and ids[i] is the ID of " +
				"tasks[i]. IDs are never 0, and increase in the order of tasks, but for one that " +
				"was refused with ErrFull and is pushed again. A Push that begins after another " +
				"has returned gets higher IDs. No ID is given to two tasks, also not after the " +
				"engine was closed and opened again, or made anew under the same name.",
			2: "A Push may be repeated, with the same key and the same tasks. It does not " +
				"add a task again that an earlier one has added, but returns the ID of that " +
				"task, for as long as the engine remembers the key. That is at least 10 " +
				"seconds, also if the task is done by then. There are two exceptions. An " +
				"engine that has died itself may forget the keys of tasks that are done. An " +
				"engine that puts several tasks in one message may know only the keys of this " +
				"handle, and each of them only until a Push with it has returned nil.",
			3: "With an error, ids is nil or as long as tasks, and ids[i] is 0 if tasks[i] is " +
				"not known to be in the queue. With an error matching ErrFull or ErrTooLarge " +
				"those are not in the queue, neither by this call nor by an earlier one with " +
				"the same key. With one matching ErrRefused they are not by this call. With " +
				"any other error they may be: Push again with the same key and the same " +
				"tasks tells.",
			4: "A queue is bounded, by tasks or by messages. A Push that finds no room does not wait: it returns an " +
				"error matching ErrFull, drops nothing, and there is room again when tasks " +
				"are acknowledged.",
			5: "Pull returns at least one task and at most limit. It waits only while there is " +
				"none; it does not wait for more once there is one. Every task that is in the " +
				"queue and not held under a lease is delivered in the end, in about the order " +
				"of the IDs.",
			6: "A task that is delivered is held: no Pull of anybody delivers it again until " +
				"the lease ends, and then one does, with a higher Attempt. The lease ends " +
				"when Lease has passed since the delivery, or the last Extend of it.",
			7: "Extend makes the leases of ds begin again now, and with them those of all " +
				"tasks in the same messages. For a delivery whose lease has ended or whose " +
				"task is acknowledged, it does nothing, or returns an error that says so.",
			8: "Nack ends the leases of ds at once: the tasks are delivered again without " +
				"delay, and to whoever pulls.",
			9: "After Ack has returned nil, the tasks of ds are gone from the queue, or will " +
				"be in a moment. A task that shares a message with others is gone only when " +
				"all tasks of the message are acknowledged; until then it may be delivered " +
				"again, when the lease of the message ends. Ack of a task that is gone " +
				"returns nil or an error, and changes nothing.",
			10: "When Save returns nil, each of recs is stored, as durably as the engine can, " +
				"or there was one under its ID before. The first write of an ID wins: a later " +
				"one changes nothing and is no error. So a whole batch may be saved again " +
				"after an error, which says that some may be stored.",
			11: "A record that can never be stored, since it is too large, is an error " +
				"matching ErrTooLarge; those of its batch may be stored or not.",
			12: "Load returns what was saved under an ID, or an error matching ErrNotFound.",
			13: "After Delete has returned nil, the records with those IDs are not there. IDs " +
				"that are not there are no error.",
			14: "A loop over All yields each record that is stored from its beginning to its " +
				"end exactly once, in any order, and may yield those that come or go " +
				"meanwhile. The body may call every method. A pair with an error and an ID " +
				"that is not 0 is about that record only, which cannot be read: the loop " +
				"goes on. With ID 0 the engine has failed or ctx is done, and the pair is " +
				"the last.",
			15: "The queue and the results have nothing to do with each other: saving does " +
				"not acknowledge, acknowledging does not delete.",
			16: "What is in the queue, and what was saved, is there after Close and a new " +
				"Open. What was held is delivered again when the lease ends, or sooner.",
			17: "After Close, every method returns an error matching ErrClosed, and those " +
				"that wait return. Close again returns nil. It leaves no goroutine behind.",
			18: "An engine takes and returns byte slices that are not shared: it does not " +
				"keep what it was given after it has returned, nor change it.",
		},
		Offers: map[string]string{
			"Context": "A method that waits returns when ctx is done, with an error matching " +
				"ctx.Err() or context.Cause(ctx).",
			"Waiter": "Wait returns the record with that ID. It blocks while there is none and the " +
				"task is in the queue, held or not, until ctx is done. If there is neither " +
				"task nor record, it returns an error matching ErrNotFound at once.",
			"StartMarker": "MarkStart adds n to the number of starts of a task, and returns how many " +
				"there are now. n is 1 for a start, and -1 to take a start back. After an " +
				"error, n may have been added or not.",
			"DelayedNacker": "NackAfter ends the leases of ds. The tasks stay in the queue. After d they " +
				"are delivered again, in about the order of these times and to whoever pulls, " +
				"with Runs one higher. If d is 0 or less, they are delivered again at once. " +
				"After an error, all this may have happened or not.",
			"Sizer": "Size returns how many tasks are in the queue, held or not, or how many messages with " +
				"tasks: 0 if there is no task, and only then.",
			"Describer": "Describe stores kind if nothing is stored yet, and returns what is stored, " +
				"for as long as there is the queue.",
			"Retryabler": "Retryable reports whether a call that has returned err may succeed another " +
				"time.",
		},
	}
}
