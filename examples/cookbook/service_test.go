package cookbook_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
	"github.com/resultpool/resultpool/store/bounded"
	"github.com/resultpool/resultpool/store/dense"
)

// jobs has the URLs of p's tasks.
func jobs(p *pool.Pool[string, string]) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /jobs", func(w http.ResponseWriter, r *http.Request) {
		id, err := p.TrySubmit(r.FormValue("text"))
		if err != nil { // pool.ErrQueueFull, or pool.ErrClosed during the shutdown
			w.Header().Set("Retry-After", "10")
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		w.Header().Set("Location", "/jobs/"+id.String())
		w.WriteHeader(http.StatusAccepted)
	})
	mux.HandleFunc("GET /jobs/{id}", func(w http.ResponseWriter, r *http.Request) {
		id, err := store.ParseID(r.PathValue("id"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		res, state, err := p.Peek(r.Context(), id)
		switch {
		case err != nil: // of the store
			http.Error(w, err.Error(), http.StatusInternalServerError)
		case state == pool.Unknown: // never given out, or deleted since
			http.Error(w, "no such job", http.StatusNotFound)
		case state == pool.Pending:
			w.WriteHeader(http.StatusAccepted)
			fmt.Fprint(w, state)
		case res.Err != nil: // of the task
			http.Error(w, res.Err.Error(), http.StatusUnprocessableEntity)
		default:
			fmt.Fprint(w, res.Value)
		}
	})
	return mux
}

// serve runs a service on ln until ctx is done.
func serve(ctx context.Context, ln net.Listener, p *pool.Pool[string, string], cancel context.CancelCauseFunc) error {
	srv := &http.Server{Handler: jobs(p), ReadHeaderTimeout: 10 * time.Second}
	go func() {
		if err := srv.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			cancel(err) // Stop returns it
		}
	}()
	select {
	case <-ctx.Done(): // a signal
	case <-p.Done(): // it was cancelled
	}

	// The pool first: while it drains, the server still answers those who ask for their results.
	limit, done := context.WithTimeout(context.Background(), 30*time.Second)
	defer done()
	err := p.Stop(limit)
	if errors.Is(err, context.DeadlineExceeded) {
		cancel(errors.New("shutting down"))
		err = p.Stop(context.Background()) // what runs sees its context end
	}
	answers, done := context.WithTimeout(context.Background(), 5*time.Second)
	defer done()
	return errors.Join(err, srv.Shutdown(answers))
}

// Jobs over HTTP: 202 when one is accepted and while it is not done, its result afterwards, 404 when
// that has expired; and the shutdown.
func Example_service() {
	begun, finish := make(chan bool, 1), make(chan bool)
	shout := func(_ context.Context, text string) (string, error) {
		if text == "" {
			return "", errors.New("nothing to shout")
		}
		begun <- true
		<-finish // it takes a while
		return strings.ToUpper(text) + "!", nil
	}

	// ctx is the pool's, and not that of the signal, which would cancel the tasks.
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	st := must(bounded.New(dense.New[string](), bounded.Options{MaxResults: 2, MaxAge: time.Hour}))
	p := must(pool.New(ctx, shout, st, &pool.Options{Workers: 1, Queue: 1}))
	sigterm, stop := context.WithCancel(ctx) // or signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	ln := must(net.Listen("tcp", "127.0.0.1:0"))
	served := make(chan error)
	go func() { served <- serve(sigterm, ln, p, cancel) }()

	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	show := func(resp *http.Response, err error) {
		defer must(resp, err).Body.Close()
		body := must(io.ReadAll(resp.Body))
		fmt.Println(resp.StatusCode, strings.TrimSpace(resp.Header.Get("Location")+string(body)))
	}
	host := "http://" + ln.Addr().String()
	post := func(text string) { show(client.PostForm(host+"/jobs", url.Values{"text": {text}})) }
	get := func(id string) { show(client.Get(host + "/jobs/" + id)) }

	post("ready")
	get("1")
	finish <- <-begun
	report(p.Wait(ctx))
	get("1")
	get("x")

	post("")
	report(p.Wait(ctx))
	get("2")
	post("steady")
	finish <- <-begun
	report(p.Wait(ctx))
	get("1") // two are newer

	post("go")
	<-begun
	post("on")
	post("and on")
	stop() // the signal comes while one task runs and one waits
	get("3")
	finish <- true
	finish <- <-begun
	fmt.Println(<-served)
	// Output:
	// 202 /jobs/1
	// 202 pending
	// 200 READY!
	// 400 store: the ID is "x", want a number from 1 to 18446744073709551615
	// 202 /jobs/2
	// 422 nothing to shout
	// 202 /jobs/3
	// 404 no such job
	// 202 /jobs/4
	// 202 /jobs/5
	// 503 pool: queue is full
	// 200 STEADY!
	// <nil>
}
