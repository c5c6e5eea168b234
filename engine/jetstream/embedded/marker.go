package embedded

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// A marker writes the marks of a server that runs.
type marker struct {
	dir  string
	srv  *server.Server
	quit chan struct{}
	done chan struct{}
}

const markEvery = time.Second

func startMarker(dir string, srv *server.Server) *marker {
	k := &marker{dir: dir, srv: srv, quit: make(chan struct{}), done: make(chan struct{})}
	go k.run()
	return k
}

func (k *marker) run() {
	defer close(k.done)
	ticker := time.NewTicker(markEvery)
	defer ticker.Stop()
	var saved []byte
	m := &marks{}
	for quit := false; ; {
		m.Streams = k.next(m.Streams)
		if text, err := json.Marshal(m); err == nil && !bytes.Equal(text, saved) && m.save(k.dir, false) == nil {
			saved = text
		}
		if quit {
			return
		}
		select {
		case <-ticker.C:
		case <-k.quit:
			quit = true
		}
	}
}

// next returns what is certain now. A sequence that the server reports is synced. If it reports
// nothing, because it has stopped storing, the last marks hold.
func (k *marker) next(last map[string]mark) map[string]mark {
	streams, err := streamsIn(k.dir)
	if err != nil {
		return last
	}
	next := make(map[string]mark)
	for _, st := range streams {
		if m, err := markFiles(st, last[st.key()]); err == nil && m.Meta != "" {
			next[st.key()] = m
		}
	}
	states, _ := streamStates(k.srv)
	for _, st := range streams {
		key := st.key()
		m, isNext := next[key]
		state, ok := states[key]
		switch {
		case !isNext:
		case ok && sumIn(st.dir) == m.Meta: // else it is another stream with the same name
			m.Last, m.Msgs, m.Oldest = state.LastSeq, state.Msgs, state.FirstTime.Unix()
			next[key] = m
		case last[key].Meta == m.Meta:
			next[key] = last[key]
		default:
			delete(next, key)
		}
	}
	return next
}

// markFiles marks the files of a stream.
func markFiles(st streamDir, last mark) (mark, error) {
	m := mark{Meta: sumIn(st.dir), Consumers: make(map[string]string), Full: make(map[int]int64)}
	consumers, err := st.consumers()
	if err != nil {
		return m, err
	}
	for _, consumer := range consumers {
		if sum := sumIn(st.consumerDir(consumer)); sum != "" {
			m.Consumers[consumer] = sum
		}
	}
	msgs := filepath.Join(st.dir, "msgs")
	blocks, err := blocksIn(msgs)
	for i, block := range blocks {
		isNewest := i == len(blocks)-1
		if written, ok := last.Full[block]; ok && last.Meta == m.Meta && !isNewest {
			m.Full[block] = written
			continue
		}
		info, err := os.Stat(blockPath(msgs, block))
		switch {
		case os.IsNotExist(err): // everything in it was removed just now
		case err != nil:
			return m, err
		case isNewest:
			m.Newest, m.Size = block, info.Size()
		case info.Size() > 0:
			m.Full[block] = info.ModTime().Unix()
		}
	}
	return m, err
}

// stop is called before the server is shut down.
func (k *marker) stop() {
	close(k.quit)
	<-k.done
}

// closed is called after the server was shut down. If it fails, the last marks hold, which say
// less.
func (k *marker) closed() error {
	m, err := loadMarks(k.dir)
	if err != nil {
		return err
	}
	m.Closed, m.Blocks, m.States = true, make(map[string]int64), make(map[string]string)
	streams, err := streamsIn(k.dir)
	if err != nil {
		return err
	}
	maps.DeleteFunc(m.Streams, func(key string, _ mark) bool { // streams that were deleted since
		return !slices.ContainsFunc(streams, func(st streamDir) bool { return st.key() == key })
	})
	for _, st := range streams {
		msgs := filepath.Join(st.dir, "msgs")
		blocks, err := blocksIn(msgs)
		if err != nil {
			return err
		}
		for _, block := range blocks {
			path := blockPath(msgs, block)
			info, err := os.Stat(path)
			if err != nil {
				return err
			}
			m.Blocks[relative(k.dir, path)] = info.Size()
		}
		consumers, err := st.consumers()
		if err != nil {
			return err
		}
		for _, consumer := range consumers {
			path := filepath.Join(st.consumerDir(consumer), stateFile)
			if buf, err := os.ReadFile(path); err == nil {
				m.States[relative(k.dir, path)] = sha256Of(buf)
			}
		}
	}
	return m.save(k.dir, true)
}
