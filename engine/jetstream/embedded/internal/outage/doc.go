// Package outage has no code but tests: of pools in many processes, of which some die.
//
// The test binary starts itself again and again, as a server, as a worker and as a
// submitter, and kills, stops, pauses and cuts off what it has started. Each process says
// what it does, a line for a step: a task that it begins to run, a task that it is about
// to submit, an ID that it was given. So the test knows what it may expect, whenever the
// process dies. After each test, in whatever way it went:
//
//   - every ID that a submitter was given has exactly one result, and the right one;
//   - no ID was given out twice, and no task has two;
//   - the queue is empty;
//   - no task was run more often than once, plus once for each outage.
//
// Some of the tests need root, some take long, and one compares rates: they have flags,
// and .ci/cluster runs them all.
package outage
