package monitor

import (
	"context"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"strings"
	"time"
)

// patience is how long a client of /events may take to read one.
const patience = 10 * time.Second

// ServeHTTP shows the pools. The last part of the path says how: an empty one is the page, "events" are server-sent
// events, "metrics" the text format of Prometheus, "stats" JSON. Other paths get the status 404, methods other than
// GET and HEAD 405.
func (m *Monitor) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		h.Set("Allow", "GET, HEAD")
		http.Error(w, "read-only", http.StatusMethodNotAllowed)
		return
	}
	_, name := path.Split(r.URL.Path)
	switch {
	case r.URL.Path == "":
		addSlash(w, r)
	case name == "":
		h.Set("Content-Type", "text/html; charset=utf-8")
		h.Set("Content-Security-Policy", m.page.policy)
		h.Set("Referrer-Policy", "no-referrer")
		write(w, r, m.page.html)
	case name == "events":
		m.serveEvents(w, r)
	case name == "metrics":
		m.serveLook(w, r, "text/plain; version=0.0.4; charset=utf-8", exposition)
	case name == "stats":
		m.serveLook(w, r, "application/json", m.stats)
	default:
		http.NotFound(w, r)
	}
}

// addSlash sends a client from where the Monitor is mounted to the page, whose links are relative. What http.StripPrefix
// has taken away is known from the request line alone; only its last part is used, so nobody is sent elsewhere.
func addSlash(w http.ResponseWriter, r *http.Request) {
	where, _, _ := strings.Cut(r.RequestURI, "?")
	w.Header().Set("Location", "./"+path.Base("/"+where)+"/")
	w.WriteHeader(http.StatusTemporaryRedirect)
}

// write answers with a whole body. Nothing can be done for a client that has gone.
func write(w http.ResponseWriter, r *http.Request, body []byte) {
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	if r.Method == http.MethodGet {
		_, _ = w.Write(body)
	}
}

func (m *Monitor) serveLook(w http.ResponseWriter, r *http.Request, kind string, body func(*snapshot) []byte) {
	snap, err := m.look(r.Context())
	if err != nil {
		unavailable(w)
		return
	}
	w.Header().Set("Content-Type", kind)
	write(w, r, body(snap))
}

func unavailable(w http.ResponseWriter) {
	http.Error(w, "the monitor is closed", http.StatusServiceUnavailable)
}

// serveEvents sends what each look finds until the client goes or m is closed. A client that is slow gets the
// latest when it has read the one before. The query says which pool is sent in detail: "pool" is its key, and the
// first one if it is missing.
func (m *Monitor) serveEvents(w http.ResponseWriter, r *http.Request) {
	key, err := poolOf(r.URL.Query())
	if err != nil {
		http.Error(w, "pool has to be the key of one", http.StatusBadRequest)
		return
	}
	if m.ctx.Err() != nil {
		unavailable(w)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("X-Accel-Buffering", "no") // of nginx, which would gather them
	if r.ProtoMajor == 1 {
		h.Set("Connection", "close") // the deadlines below are the connection's
	}
	if r.Method == http.MethodHead {
		return
	}
	control := http.NewResponseController(w)
	// Close ends a write that is under way.
	ended := make(chan struct{})
	stop := context.AfterFunc(m.ctx, func() {
		defer close(ended)
		_ = control.SetWriteDeadline(time.Unix(1, 0)) // not all can
	})
	defer func() {
		if !stop() {
			<-ended
		}
	}()

	m.come()
	defer m.leave()
	var sent *snapshot
	for {
		m.mu.Lock()
		news := m.news
		m.mu.Unlock()
		snap, err := m.look(r.Context())
		if err != nil {
			return
		}
		if snap != sent {
			_ = control.SetWriteDeadline(time.Now().Add(patience)) // before the look at ctx: Close sets it after ctx has ended
			if m.ctx.Err() != nil {
				return
			}
			for _, part := range m.event(snap, key, sent == nil) {
				if _, err := w.Write(part); err != nil {
					return
				}
			}
			if err := control.Flush(); err != nil {
				return
			}
			sent = snap
		}
		select {
		case <-news:
		case <-r.Context().Done():
			return
		case <-m.ctx.Done():
			return
		}
	}
}

func poolOf(query url.Values) (key int, err error) {
	if !query.Has("pool") {
		return 0, nil
	}
	return strconv.Atoi(query.Get("pool"))
}

func (m *Monitor) come() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.viewers++
	m.sampleLocked()
}

func (m *Monitor) leave() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.viewers--
	m.wakeSampler()
}
