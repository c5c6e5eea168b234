// Package outage contains only tests: of pools in many processes, some of which die.
//
// The test binary starts itself many times, as a server, as a worker and as a submitter, and
// kills, pauses and cuts off the processes that it has started. Each process reports what it
// does, one line for each step: a task that it begins to run, a task that it is about to
// submit, an ID that it was given. So the test knows what to expect, at whatever moment a
// process dies. Every test ends with the same checks:
//
//   - every ID that a submitter was given has exactly one result, and the right one;
//   - no ID was given twice, and no task has two results;
//   - the queue is empty;
//   - no task was run more often than once, plus once for each outage.
package outage
