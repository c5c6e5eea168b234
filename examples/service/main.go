// Service looks up the addresses of hosts, as jobs that their clients fetch the results of:
//
//	service [-addr HOST:PORT] [-admin HOST:PORT] [-workers N] [-queue N] [-keep DURATION] [-grace DURATION]
//
//	curl -i -d host=go.dev localhost:8080/jobs   202, and in Location the URL of the job; 503 if the queue is full
//	curl -i localhost:8080/jobs/1                202 while it waits or runs; then 200 and its result,
//	                                             422 and its error, or 410 if it was cancelled; 404 if it has expired
//	curl -i -X DELETE localhost:8080/jobs/1      cancels it, and answers as GET does: it may have ended before
//
// At another address, which it prints, there is a page that shows the pool at work, and metrics for Prometheus.
//
// The lookup stands for your own task: any function of the form func(context.Context, T) (R, error).
//
// SIGINT and SIGTERM end the pool first: it takes no more jobs, and those that it has may end, within -grace. Until
// then GET answers. The next signal kills.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
	"github.com/resultpool/resultpool/store/bounded"
	"github.com/resultpool/resultpool/store/dense"
)

type service struct{ *pool.Pool[string, []string] }

func main() {
	opts, limits := pool.Options{}, bounded.Options{MaxResults: 100_000}
	addr := flag.String("addr", "localhost:8080", "`address` to listen at")
	grace := flag.Duration("grace", 10*time.Second, "how long accepted jobs may go on after a signal")
	flag.IntVar(&opts.Workers, "workers", 16, "how many jobs run at once")
	flag.IntVar(&opts.Queue, "queue", 1000, "how many jobs may wait")
	flag.DurationVar(&limits.MaxAge, "keep", time.Hour, "how long results are kept")
	operator := newOperator()
	flag.Parse()
	if flag.NArg() > 0 {
		log.Fatalf("unexpected argument %q", flag.Arg(0))
	}

	signals, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	ctx, cancel := context.WithCancel(context.Background()) // a signal does not cancel the jobs
	results := must(bounded.New(dense.New[[]string](), limits))
	s := service{must(operator.newPool(ctx, results, &opts))}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /jobs", s.submit)
	mux.HandleFunc("GET /jobs/{id}", s.show)
	mux.HandleFunc("DELETE /jobs/{id}", s.cancel)
	server := &http.Server{Handler: http.MaxBytesHandler(mux, 4096), ReadTimeout: time.Minute, WriteTimeout: time.Minute}
	listener := must(net.Listen("tcp", *addr))
	go func() { log.Print(server.Serve(listener)) }()
	log.Print("listening at ", listener.Addr())

	<-signals.Done()
	stop()
	time.AfterFunc(*grace, cancel)
	if err := errors.Join(s.Stop(context.Background()), server.Shutdown(context.Background()), operator.stop()); err != nil {
		log.Fatal("while shutting down: ", err)
	}
}

// submit does not wait for room in the queue: the client may come again.
func (s service) submit(w http.ResponseWriter, r *http.Request) {
	id, err := s.TrySubmit(r.PostFormValue("host"))
	if err != nil {
		w.Header().Set("Retry-After", "1")
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Location", "/jobs/"+id.String())
	w.WriteHeader(http.StatusAccepted)
}

// show answers whoever asks. IDs are 1, 2, 3, and can be guessed: if jobs are private, keep whose each is, and
// check it here and in cancel, as the example of store.ParseID does.
func (s service) show(w http.ResponseWriter, r *http.Request) {
	id, _ := store.ParseID(r.PathValue("id")) // 0 with an error, which is no job's
	res, state, err := s.Peek(r.Context(), id)
	switch {
	case err != nil, errors.As(res.Err, new(*pool.PanicError)):
		http.Error(w, errors.Join(err, res.Err).Error(), http.StatusInternalServerError)
	case state == pool.Unknown:
		http.Error(w, "no such job", http.StatusNotFound)
	case state == pool.Pending:
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(http.StatusAccepted)
	case errors.Is(res.Err, context.Canceled):
		http.Error(w, res.Err.Error(), http.StatusGone)
	case res.Err != nil:
		http.Error(w, res.Err.Error(), http.StatusUnprocessableEntity)
	default:
		fmt.Fprintln(w, strings.Join(res.Value, "\n"))
	}
}

func (s service) cancel(w http.ResponseWriter, r *http.Request) {
	id, _ := store.ParseID(r.PathValue("id"))
	s.Cancel(id, context.Canceled)
	s.show(w, r)
}

// must returns v, or ends the program with err.
func must[V any](v V, err error) V {
	if err != nil {
		log.Fatal(err)
	}
	return v
}
