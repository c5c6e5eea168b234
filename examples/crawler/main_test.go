package main

import (
	"fmt"
	"log"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"go.uber.org/goleak"

	"github.com/resultpool/resultpool/examples/internal/process"
)

func TestMain(m *testing.M) {
	if _, isProcess := process.Mode(); !isProcess {
		goleak.VerifyTestMain(m)
		return
	}
	log.SetFlags(0)
	main()
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	if err := goleak.Find(); err != nil {
		log.Fatal(err)
	}
	os.Exit(0)
}

// A site serves pages from a map, and counts.
type site struct {
	*httptest.Server
	pages map[string]string // by path: HTML, or a status for each visit

	mu           sync.Mutex
	hold         func(path string) // if not nil: is called in each visit
	visits       map[string]int
	active, most int
}

func newSite(t *testing.T, pages map[string]string) *site {
	s := &site{pages: pages, visits: make(map[string]int)}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

func (s *site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.visits[r.URL.Path]++
	visit := s.visits[r.URL.Path]
	s.active++
	s.most = max(s.most, s.active)
	hold := s.hold
	s.mu.Unlock()
	time.Sleep(time.Millisecond)
	if hold != nil {
		hold(r.URL.Path)
	}
	s.mu.Lock()
	s.active--
	s.mu.Unlock()

	text, ok := s.pages[r.URL.Path]
	var statuses []int
	for word := range strings.FieldsSeq(text) {
		status := 0
		if n, _ := fmt.Sscanf(word, "%d", &status); n == 1 {
			statuses = append(statuses, status)
		}
	}
	switch {
	case !ok:
		http.NotFound(w, r)
	case text == "hang":
		<-r.Context().Done()
	case len(statuses) >= visit:
		w.WriteHeader(statuses[visit-1])
	case strings.HasPrefix(text, "/"):
		http.Redirect(w, r, text, http.StatusFound)
	default:
		fmt.Fprint(w, text)
	}
}

// counts returns how often each page was visited, and how many at most at once.
func (s *site) counts() (visits map[string]int, most int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.visits), s.most
}

// crawl runs the program, and returns its lines, sorted, without the address of s.
func crawl(t *testing.T, s *site, status int, args ...string) (out, said []string) {
	t.Helper()
	p := process.New(t, "", args...).Begin(t)
	assert.Equal(t, status, p.AwaitEnd(), p.Said)
	lines := func(text string) []string {
		all := strings.Split(strings.TrimSuffix(strings.ReplaceAll(text, s.URL, ""), "\n"), "\n")
		slices.Sort(all)
		return all
	}
	return lines(p.Out.String()), lines(p.Said)
}

func TestPages(t *testing.T) {
	other := newSite(t, map[string]string{"/there": "no links"})
	s := newSite(t, map[string]string{
		"/": `<a href="a">a</a> <A class=x HREF='/b?x=1&amp;y=2#part'>b</A> <a href="gone">gone</a> <a href="mailto:a@b">mail</a>
			<a href="#top">top</a> <a href="` + other.URL + `/there">there</a> <link href="style.css">`,
		"/a":        `<a href="/">home</a> <a href="b?x=1&y=2">b</a> <a href="moved">moved</a>`,
		"/b":        `<a href="a">a</a>`,
		"/moved":    "/dir/",
		"/dir/":     `<a href="deep">deep</a>`,
		"/dir/deep": "",
	})
	out, said := crawl(t, s, 0, "-depth", "3", s.URL+"/")
	assert.ElementsMatch(t, []string{"/: 5 links", "/a: 3 links", "/b?x=1&y=2: 1 links", "/dir/deep: 0 links", other.URL + "/there: 0 links", "/moved: 1 links"},
		out)
	assert.Equal(t, []string{"/gone: 404 Not Found"}, said)
	visits, _ := s.counts()
	for path, n := range visits {
		assert.Equal(t, 1, n, path)
	}
}

// What may pass is tried again, and nothing else.
func TestRetries(t *testing.T) {
	s := newSite(t, map[string]string{
		"/":          `<a href="busy"> <a href="broken"> <a href="forbidden"> <a href="down">`,
		"/busy":      "429 429 then it works",
		"/broken":    "500 503 then it works",
		"/forbidden": "403 403",
		"/down":      "502 502 502 502 502 502",
	})
	out, said := crawl(t, s, 0, s.URL+"/")
	assert.Equal(t, []string{"/: 4 links", "/broken: 0 links", "/busy: 0 links"}, out)
	assert.Equal(t, []string{"/down: 502 Bad Gateway", "/forbidden: 403 Forbidden"}, said)
	visits, _ := s.counts()
	assert.Equal(t, map[string]int{"/": 1, "/busy": 3, "/broken": 3, "/forbidden": 1, "/down": 5}, visits)
}

// tree is a site whose pages link to ten others each.
func tree(t *testing.T) *site {
	pages := make(map[string]string)
	for i := range 1000 {
		for j := range 10 {
			pages[fmt.Sprintf("/%d", i)] += fmt.Sprintf(`<a href="%d">`, 10*i+j)
		}
	}
	return newSite(t, pages)
}

func TestLimits(t *testing.T) {
	for _, tt := range []struct {
		args    []string
		visited int
	}{
		{[]string{"-depth", "0"}, 1},
		{[]string{"-depth", "1"}, 11},
		{[]string{"-depth", "2", "-per-host", "8"}, 100},
		{[]string{"-depth", "2", "-pages", "37", "-per-host", "8"}, 37},
		{[]string{"-pages", "1"}, 1},
	} {
		s := tree(t)
		out, said := crawl(t, s, 0, append(tt.args, s.URL+"/1", s.URL+"/1")...)
		assert.Equal(t, []string{""}, said)
		assert.Len(t, out, tt.visited, tt.args)
		visits, _ := s.counts()
		assert.Len(t, visits, tt.visited, tt.args)
	}
}

// No more pages of one host are visited at once than were asked for, and those of others meanwhile.
func TestPerHost(t *testing.T) {
	one, two := tree(t), tree(t)
	var arrived atomic.Int32
	six := make(chan struct{})
	hold := func(path string) {
		if path == "/1" {
			return
		}
		if arrived.Add(1) == 6 {
			close(six)
		}
		select {
		case <-six:
		case <-time.After(10 * time.Second):
			t.Error("no six pages are visited at once")
		}
	}
	for _, s := range []*site{one, two} {
		s.mu.Lock()
		s.hold = hold
		s.mu.Unlock()
	}
	crawl(t, one, 0, "-depth", "1", "-per-host", "3", one.URL+"/1", strings.Replace(two.URL, "127.0.0.1", "localhost", 1)+"/1")
	for _, s := range []*site{one, two} {
		_, most := s.counts()
		assert.Equal(t, 3, most)
	}
}

func TestConnectionFails(t *testing.T) {
	s := newSite(t, nil)
	s.Close()
	out, said := crawl(t, s, 0, s.URL+"/")
	assert.Equal(t, []string{""}, out)
	assert.Len(t, said, 1)
	assert.Regexp(t, `^/: Get "/": dial tcp .*`, said[0])
}

func TestWrongCalls(t *testing.T) {
	s := newSite(t, nil)
	for _, tt := range []struct {
		status int
		said   string
		args   []string
	}{
		{2, "flag provided but not defined: -jobs", []string{"-jobs", "2"}},
		{2, `invalid value "x" for flag -depth: parse error`, []string{"-depth", "x"}},
		{1, `parse "": empty url`, nil},
		{1, `parse "go.dev": invalid URI for request`, []string{"go.dev"}},
		{1, "pool: PerKey is -1, want 0 (1) or more", []string{"-per-host", "-1", s.URL}},
		{1, "pool: Queue is -1, want 0 (1024) or more", []string{"-pages", "-1", s.URL}},
	} {
		_, said := crawl(t, s, tt.status, tt.args...)
		assert.Contains(t, said, tt.said)
	}
	visits, _ := s.counts()
	assert.Empty(t, visits)
}
