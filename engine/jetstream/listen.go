package jetstream

import (
	"strconv"
	"sync"

	"github.com/nats-io/nats.go"
)

// listeners tell those who wait for a result when it is saved. There is one subscription for each run, and not for each who
// waits: each message would come as often as there are tasks in it.
type listeners struct {
	mu    sync.Mutex // guards all that follows
	bySeq map[uint64]*listener
}

type listener struct {
	sub   *nats.Subscription
	waits map[*wait]struct{}
}

// A wait is a call that waits for one result. saved has room for it.
type wait struct {
	id    uint64
	saved chan []byte
}

// listen returns a wait, and what ends it.
func (e *Engine) listen(id uint64) (*wait, func(), error) {
	l, seq := &e.listeners, seqOf(id)
	w := &wait{id: id, saved: make(chan []byte, 1)}
	l.mu.Lock()
	defer l.mu.Unlock()
	one := l.bySeq[seq]
	if one == nil {
		one = &listener{waits: make(map[*wait]struct{})}
		var err error
		one.sub, err = e.nc.Subscribe(e.names.saved+strconv.FormatUint(seq, 10), func(m *nats.Msg) { l.heard(one, m) })
		if err != nil {
			return nil, nil, err
		}
		if l.bySeq == nil {
			l.bySeq = make(map[uint64]*listener)
		}
		l.bySeq[seq] = one
	}
	one.waits[w] = struct{}{}
	return w, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if delete(one.waits, w); len(one.waits) == 0 {
			_ = one.sub.Unsubscribe()
			delete(l.bySeq, seq)
		}
	}, nil
}

// heard is called for each message with results of the run.
func (l *listeners) heard(one *listener, m *nats.Msg) {
	results, err := decodeResults(m.Data)
	if err != nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for w := range one.waits {
		data, err := findIn(results, w.id)
		if err != nil {
			continue
		}
		select {
		case w.saved <- data:
		default: // it is stored anew, since another was deleted
		}
	}
}
