package check

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/monitor"
	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store/dense"
)

var pictures = flag.String("pictures", "", "the folder, from the root of the repository, to write the pictures of the documents to")

// fiveMinutes returns the first event that a client gets after five minutes of a bubble's time in which prepare's
// pools were looked at once a second, and the page.
func fiveMinutes(t *testing.T, prepare func(t *testing.T, m *monitor.Monitor)) (event, page []byte) {
	synctest.Test(t, func(t *testing.T) {
		m := monitor.New(nil)
		defer m.Close()
		prepare(t, m)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { // somebody looks
			defer close(ended)
			m.ServeHTTP(&recorder{}, httptest.NewRequest(http.MethodGet, "/events", nil).WithContext(ctx))
		}()
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		last, leave := context.WithCancel(t.Context())
		r := &recorder{enough: leave}
		m.ServeHTTP(r, httptest.NewRequest(http.MethodGet, "/events", nil).WithContext(last))
		event = r.Bytes()
		w := httptest.NewRecorder()
		m.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
		page = w.Body.Bytes()
		cancel()
		<-ended
	})
	return event, page
}

// recorder is a client of /events that leaves when it has had enough.
type recorder struct {
	bytes.Buffer
	enough func()
}

func (r *recorder) Header() http.Header { return make(http.Header) }
func (r *recorder) WriteHeader(int)     {}
func (r *recorder) Flush() {
	if r.enough != nil {
		r.enough()
	} else {
		r.Reset()
	}
}

// jobs adds a pool whose tasks take a while, and hands in as many a second as perSecond says.
func jobs(t *testing.T, m *monitor.Monitor, name string, perSecond func(second int) int, do func(ctx context.Context, n int) error) {
	p, err := pool.New(t.Context(), func(ctx context.Context, n int) (int, error) {
		time.Sleep(time.Duration(rand.Int64N(int64(40 * time.Millisecond))))
		return n, do(ctx, n)
	}, dense.New[int](), &pool.Options{Workers: 8, Queue: 1000, Hooks: m.Hooks(name)})
	require.NoError(t, err)
	m.Add(name, p)
	over := make(chan struct{})
	t.Cleanup(func() { // t's context has ended then
		<-over
		<-p.Done()
	})
	go func() {
		defer close(over)
		n := 0
		for second := 0; t.Context().Err() == nil; second++ {
			for range 20 {
				for range perSecond(second) / 20 {
					n++
					_, _ = p.TrySubmit(n) // some are refused
				}
				select {
				case <-time.After(time.Second / 20):
				case <-t.Context().Done():
				}
			}
		}
	}()
}

// The page in four states, each looked at: under load, in a storm of panics, over an engine that is dead, and without
// a pool. Chance is that of math/rand, and so the pictures differ a little each time.
func TestPictures(t *testing.T) {
	good := func(ctx context.Context, n int) error {
		if n == 30_000 || n == 86_000 {
			<-ctx.Done() // it is stuck
		}
		return nil
	}
	waves := func(second int) int { return 240 + second%100*2 }
	for _, p := range []struct {
		name          string
		width, height int
		dark          bool
		shows         []string
		prepare       func(t *testing.T, m *monitor.Monitor)
	}{
		{"load", 1000, 800, false, []string{"1 stuck, full", "task 30000"}, func(t *testing.T, m *monitor.Monitor) {
			jobs(t, m, "thumbnails", waves, good)
			jobs(t, m, "mail", func(int) int { return 40 }, good)
			jobs(t, m, "reports", func(int) int { return 0 }, good)
		}},
		{"panics", 1000, 800, true, []string{"Panicked: *errors.errorString", "Failed: context.deadlineExceededError"}, func(t *testing.T, m *monitor.Monitor) {
			start := time.Now()
			jobs(t, m, "mail", func(int) int { return 200 }, func(_ context.Context, n int) error {
				if since := time.Since(start); since > 2*time.Minute && since < 4*time.Minute {
					if n%3 == 0 {
						panic(errors.New("connection refused"))
					}
					if n%7 == 0 {
						return context.DeadlineExceeded
					}
				}
				return nil
			})
		}},
		{"dead-engine", 420, 900, false, []string{"failing", "no responders"}, func(_ *testing.T, m *monitor.Monitor) {
			m.Add("thumbnails", source{errors.New("jetstream: nats: no responders available for request")})
		}},
		{"empty", 1000, 260, false, []string{"There is no pool"}, func(*testing.T, *monitor.Monitor) {}},
	} {
		t.Run(p.name, func(t *testing.T) {
			b := open(t)
			event, page := fiveMinutes(t, p.prepare)
			gone := make(chan struct{})
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if !strings.HasSuffix(r.URL.Path, "/events") {
					_, _ = w.Write(page)
					return
				}
				w.Header().Set("Content-Type", "text/event-stream")
				_, _ = w.Write(event)
				w.(http.Flusher).Flush()
				<-gone
			}))
			defer s.Close()
			defer close(gone)
			b.visit(s.URL+"/", p.width, p.height, p.dark)
			for _, text := range p.shows {
				b.wait(`document.body.innerText.includes("` + text + `")`)
			}
			b.wait(`document.getElementById("state").textContent === "live"`)
			b.noFaults()
			picture := small(t, b.picture())
			assert.Less(t, len(picture), 80_000)
			if *pictures != "" {
				require.NoError(t, os.WriteFile(filepath.Join("../..", *pictures, "monitor-"+p.name+".png"), picture, 0o600))
			}
		})
	}
}

// small returns a PNG with the 256 colors that occur most.
func small(t *testing.T, data []byte) []byte {
	picture, err := png.Decode(bytes.NewReader(data))
	require.NoError(t, err)
	bounds := picture.Bounds()
	pixels := make(map[color.Color]int)
	for y := range bounds.Dy() {
		for x := range bounds.Dx() {
			pixels[picture.At(x, y)]++
		}
	}
	colors := slices.SortedFunc(maps.Keys(pixels), func(a, b color.Color) int { return pixels[b] - pixels[a] })
	reduced := image.NewPaletted(bounds, colors[:min(len(colors), 256)])
	draw.Draw(reduced, bounds, picture, bounds.Min, draw.Src)
	var b bytes.Buffer
	require.NoError(t, (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&b, reduced))
	return b.Bytes()
}
