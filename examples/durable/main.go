// Durable is the program service with jobs and results that survive its end, be it by kill -9:
//
//	durable [-addr HOST:PORT] [-dir DIR]
//
//	curl -i -d host=go.dev localhost:8080/jobs   202, and in Location the URL of the job
//	curl -iL localhost:8080/jobs/1               202 while it waits or runs; then 200 and its result, or 422 and its error
//
// The pool's store is DIR/results.db. But its queue is in memory, and so DIR/jobs.db has each job before its client
// hears of it. The next run submits those again that have no result, and has their URLs lead to the new ones. So a
// job is never lost, and may run twice. After a signal, what runs is given up and runs again the next time.
//
// Nothing is ever deleted here. Package store/bounded has limits for both files.
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
	"github.com/resultpool/resultpool/store/bolt"
)

type service struct {
	*pool.Pool[string, []string]
	jobs *bolt.Store[string] // what this run has accepted, under the IDs of the results
}

func main() {
	addr := flag.String("addr", "localhost:8080", "`address` to listen at")
	dir := flag.String("dir", ".", "`folder` of the files")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	jobs := must(bolt.Open[string](*dir+"/jobs.db", nil))
	results := must(bolt.Open[[]string](*dir+"/results.db", nil))
	s := service{must(pool.New(ctx, net.DefaultResolver.LookupHost, results, &pool.Options{Workers: 16})), jobs}
	for id, old := range must(store.Snapshot(ctx, jobs)) {
		if res, err := results.Get(ctx, id); err != nil || errors.Is(res.Err, context.Canceled) {
			url := must(s.accept(ctx, old.Value))
			must(0, results.Delete(ctx, id))
			must(0, results.Put(ctx, store.Result[[]string]{ID: id, Value: []string{url}, Err: pool.ErrNotRun}))
		}
		must(0, jobs.Delete(ctx, id)) // the last: whatever comes in between, the job is in one of the files
	}

	mux := http.NewServeMux()
	mux.HandleFunc("POST /jobs", s.submit)
	mux.HandleFunc("GET /jobs/{id}", s.show)
	server := &http.Server{Handler: http.MaxBytesHandler(mux, 4096), ReadTimeout: time.Minute, WriteTimeout: time.Minute}
	listener := must(net.Listen("tcp", *addr))
	go func() { log.Print(server.Serve(listener)) }()
	log.Print("listening at ", listener.Addr())

	<-ctx.Done() // and all jobs are cancelled
	stop()       // the next signal kills
	<-s.Done()
	must(0, errors.Join(server.Shutdown(context.Background()), results.Close(), jobs.Close()))
}

// accept returns the URL of a job when that is on the disk. Before, a crash may lose it, or have it run in vain.
func (s service) accept(ctx context.Context, host string) (url string, err error) {
	id, err := s.Submit(ctx, host)
	if err == nil {
		err = s.jobs.Put(ctx, store.Result[string]{ID: id, Value: host})
	}
	return "/jobs/" + id.String(), err
}

func (s service) submit(w http.ResponseWriter, r *http.Request) {
	url, err := s.accept(r.Context(), r.PostFormValue("host"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Location", url)
	w.WriteHeader(http.StatusAccepted)
}

func (s service) show(w http.ResponseWriter, r *http.Request) {
	id, _ := store.ParseID(r.PathValue("id")) // 0 with an error, which is no job's
	res, state, err := s.Peek(r.Context(), id)
	switch {
	case err != nil, errors.As(res.Err, new(*pool.PanicError)):
		http.Error(w, errors.Join(err, res.Err).Error(), http.StatusInternalServerError)
	case state == pool.Unknown:
		http.Error(w, "no such job", http.StatusNotFound)
	case state == pool.Pending, errors.Is(res.Err, context.Canceled): // then the next run has it
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(http.StatusAccepted)
	case errors.Is(res.Err, pool.ErrNotRun): // but under another ID: see main
		http.Redirect(w, r, res.Value[0], http.StatusTemporaryRedirect)
	case res.Err != nil:
		http.Error(w, res.Err.Error(), http.StatusUnprocessableEntity)
	default:
		fmt.Fprintln(w, strings.Join(res.Value, "\n"))
	}
}

// must returns v, or ends the program with err.
func must[V any](v V, err error) V {
	if err != nil {
		log.Fatal(err)
	}
	return v
}
