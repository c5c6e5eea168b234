package cookbook_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"time"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store/dense"
)

// get fetches a URL, and says of an error whether another attempt is worth its while.
func get(ctx context.Context, url string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", pool.Permanent(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err // of the network: after a pause
	}
	defer resp.Body.Close()
	switch {
	case resp.StatusCode == http.StatusOK:
		body, err := io.ReadAll(resp.Body)
		return string(body), err
	case resp.StatusCode == http.StatusTooManyRequests:
		if seconds, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil { // when the server says
			return "", pool.RetryAfter(time.Duration(seconds)*time.Second, errors.New(resp.Status))
		}
	case resp.StatusCode < 500: // never
		return "", pool.Permanent(errors.New(resp.Status))
	}
	return "", errors.New(resp.Status) // after a pause
}

// Failures that pass are tried again, and those that do not are not.
func Example_retry() {
	calls := 0
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch calls++; {
		case r.URL.Path == "/gone":
			w.WriteHeader(http.StatusNotFound)
		case calls == 1:
			w.WriteHeader(http.StatusBadGateway)
		case calls == 2:
			w.Header().Set("Retry-After", "0")
			w.WriteHeader(http.StatusTooManyRequests)
		default:
			fmt.Fprint(w, "hello")
		}
	}))
	defer srv.Close()

	ctx := context.Background()
	backoff := pool.Backoff{Attempts: 5, First: time.Millisecond, Max: time.Second}
	p := must(pool.New(ctx, pool.Retry(get, backoff), dense.New[string](), &pool.Options{Workers: 1}))
	for _, path := range []string{"/", "/gone"} {
		calls = 0
		text, err := p.Get(ctx, must(p.Submit(ctx, srv.URL+path)))
		fmt.Printf("%q %v, %d calls\n", text, err, calls)
	}
	report(p.Stop(ctx))
	// Output:
	// "hello" <nil>, 3 calls
	// "" 404 Not Found, 1 calls
}
