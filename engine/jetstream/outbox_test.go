package jetstream

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var errSilence = errors.New("no answer")

// boxed is an outbox whose pushes a test makes step by step.
type boxed struct {
	t *testing.T
	outbox
	seq uint64
}

func newBoxed(t *testing.T) *boxed {
	return &boxed{t: t, outbox: outbox{pushes: make(map[string]*push)}}
}

// push enters a push and has it sent.
func (b *boxed) push(key string, n int) *push {
	b.t.Helper()
	tasks := make([][]byte, n)
	for i := range tasks {
		tasks[i] = fmt.Append(nil, key, i)
	}
	p, err := b.enterLocked(key, tasks)
	require.NoError(b.t, err)
	if p.open == 0 {
		b.sendLocked(p)
	}
	return p
}

// leave ends the wait for a push.
func (b *boxed) leave(p *push) {
	p.waiting--
	b.withdrawLocked(p)
	b.leaveLocked(p)
}

// runs returns what is to be sent now.
func (b *boxed) runs() []*run {
	runs := b.again
	b.again = nil
	return append(runs, b.packLocked(4, 1<<20)...)
}

func (b *boxed) answer(r *run, err error) {
	var ack *jetstream.PubAck
	if err == nil {
		b.seq++
		ack = &jetstream.PubAck{Sequence: b.seq}
	}
	b.settle(r, ack, err)
}

// A run whose fate is not known is sent again as it was, whatever is said meanwhile but that it is stored, or
// that there is no room: the next attempts may be refused by a server that has just been started.
func TestOutboxSendsTheSameRun(t *testing.T) {
	b := newBoxed(t)
	p, q := b.push("p", 3), b.push("q", 3) // in runs of p p p q, and q q
	runs := b.runs()
	require.Len(t, runs, 2)
	b.answer(runs[0], errSilence)
	b.answer(runs[1], nats.ErrConnectionClosed)
	assert.Zero(t, p.open+q.open)
	assert.True(t, p.unsure && q.unsure)
	b.leave(p)
	b.leave(q)
	for _, refusal := range []error{jetstream.ErrNoStreamResponse, nats.ErrConnectionClosed} {
		p = b.push("p", 3)
		again := b.runs()
		require.Len(t, again, 1)
		assert.Same(t, runs[0], again[0])
		b.answer(again[0], refusal)
		assert.Error(t, p.failed)
		assert.False(t, p.unsure, "not by this attempt")
		b.leave(p)
	}
	q = b.push("q", 3)
	p = b.push("p", 3)
	again := b.runs()
	require.Len(t, again, 1, "once for both; and the other tasks of q wait for that")
	b.answer(again[0], nil)
	assert.Equal(t, []uint64{idAt(1, 0), idAt(1, 1), idAt(1, 2)}, p.ids)
	assert.Equal(t, []uint64{idAt(1, 3), 0, 0}, q.ids)
	b.sendLocked(q)
	rest := b.runs()
	require.Len(t, rest, 1)
	b.answer(rest[0], nil)
	assert.Equal(t, []uint64{idAt(1, 3), idAt(2, 0), idAt(2, 1)}, q.ids)
	b.leave(p)
	b.leave(q)
	assert.Empty(t, b.pushes)
}

// Tasks that are not next to one another in their Push keep their own IDs when they are sent together.
func TestOutboxWithHoles(t *testing.T) {
	b := newBoxed(t)
	p := b.push("p", 12)
	runs := b.runs() // 4, 4, 4
	b.answer(runs[0], nats.ErrConnectionClosed)
	b.answer(runs[1], nil)
	b.answer(runs[2], nats.ErrConnectionClosed)
	b.leave(p)
	p = b.push("p", 12)
	all := b.packLocked(100, 1<<20)
	require.Len(t, all, 1)
	b.answer(all[0], nil)
	for i, id := range p.ids {
		want := idAt(1, i%4)
		if i < 4 || i >= 8 {
			want = idAt(2, i-i/8*4)
		}
		assert.Equal(t, want, id, i)
	}
}

// What nobody waits for any more is not sent, and none of the caller's memory is kept.
func TestOutboxWithdraws(t *testing.T) {
	b := newBoxed(t)
	p, q := b.push("p", 3), b.push("q", 3)
	b.leave(p)
	assert.Nil(t, p.tasks)
	runs := b.runs()
	require.Len(t, runs, 1)
	assert.Same(t, q, runs[0].parts[0].of)
	b.leave(q) // its run is on its way
	assert.Equal(t, 3, q.open)
	q = b.push("q", 3) // and so it is waited for
	assert.Empty(t, b.runs())
	b.answer(runs[0], nil)
	assert.Equal(t, 3, q.known)
}

// A key is forgotten when nobody has repeated its Push for a while, and not before.
func TestOutboxForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBoxed(t)
		var last *run
		for range 3 {
			p := b.push("p", 1)
			last = b.runs()[0]
			b.answer(last, errSilence)
			b.leave(p)
			time.Sleep(keyAge * 2 / 3)
		}
		p := b.push("p", 1)
		assert.Same(t, last, b.runs()[0])
		b.answer(last, errSilence)
		b.leave(p)
		time.Sleep(keyAge + 1)
		b.leave(b.push("q", 1))
		assert.Len(t, b.pushes, 1)
	})
}
