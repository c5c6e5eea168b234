package cookbook_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"golang.org/x/time/rate"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store/dense"
)

// limited calls fn no more often than limit allows.
func limited[T, R any](limit *rate.Limiter, fn func(context.Context, T) (R, error)) func(context.Context, T) (R, error) {
	return func(ctx context.Context, in T) (R, error) {
		if err := limit.Wait(ctx); err != nil {
			var none R
			return none, err
		}
		return fn(ctx, in)
	}
}

// No more than so many calls a second, whatever the number of workers is.
func Example_rateLimit() {
	ctx := context.Background()
	square := func(_ context.Context, n int) (int, error) { return n * n, nil }
	limit := rate.NewLimiter(rate.Every(10*time.Millisecond), 1)
	p := must(pool.New(ctx, limited(limit, square), dense.New[int](), &pool.Options{Workers: 4}))
	begin := time.Now()
	ids := must(p.SubmitAll(ctx, []int{1, 2, 3, 4}))
	for _, id := range ids {
		fmt.Println(must(p.Get(ctx, id)))
	}
	fmt.Println(time.Since(begin) >= 30*time.Millisecond)
	report(p.Stop(ctx))
	// Output:
	// 1
	// 4
	// 9
	// 16
	// true
}

// A visit is the task of a polite crawler.
type visit struct {
	url *url.URL
	due time.Time // its turn at the host; zero: it has not asked for one
}

func hostOf(v *visit) string { return v.url.Host }

var errNotYet = errors.New("not its turn yet")

// polite calls fn for each host no more often than every says. A visit that comes earlier is given a turn, and
// is run again at that time.
func polite(every time.Duration, fn func(context.Context, *visit) (string, error)) func(context.Context, *visit) (string, error) {
	var limits sync.Map // of *rate.Limiter, by host
	return func(ctx context.Context, v *visit) (string, error) {
		if v.due.IsZero() {
			limit, _ := limits.LoadOrStore(hostOf(v), rate.NewLimiter(rate.Every(every), 1))
			v.due = time.Now().Add(limit.(*rate.Limiter).Reserve().Delay())
		}
		if early := time.Until(v.due); early > 0 {
			return "", pool.RetryAfter(early, errNotYet)
		}
		v.due = time.Time{} // another attempt needs another turn
		return fn(ctx, v)
	}
}

func visits(urls ...string) (all []*visit) {
	for _, s := range urls {
		all = append(all, &visit{url: must(url.Parse(s))})
	}
	return all
}

// One visit an hour for each host, by one worker, which goes on with other hosts.
func Example_rateLimitPerHost() {
	fetch := func(_ context.Context, v *visit) (string, error) { return "text of " + v.url.String(), nil }
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	p := must(pool.NewKeyed(ctx, polite(time.Hour, fetch), hostOf, dense.New[string](), &pool.Options{Workers: 1, PerKey: 1}))
	ids := must(p.SubmitAll(ctx, visits("http://a/1", "http://a/2", "http://b/1")))

	fmt.Println(p.Get(ctx, ids[0]))
	fmt.Println(p.Get(ctx, ids[2]))
	_, state, err := p.Peek(ctx, ids[1])
	fmt.Println("the second of a:", state, err)
	cancel(errors.New("closing time"))
	_, err = p.Get(context.Background(), ids[1])
	fmt.Printf("%q\n", err)
	fmt.Println(p.Stop(context.Background()))
	// Output:
	// text of http://a/1 <nil>
	// text of http://b/1 <nil>
	// the second of a: pending <nil>
	// "not its turn yet: closing time"
	// closing time
}

// Each visit is at its turn, each attempt has a turn of its own, and no host waits for another.
func TestPolite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		failed := false
		fetch := func(context.Context, *visit) (string, error) {
			if !failed {
				failed = true
				return "", pool.RetryAfter(0, errors.New("down"))
			}
			return time.Since(begin).String(), nil
		}
		p := must(pool.NewKeyed(t.Context(), polite(time.Second, fetch), hostOf, dense.New[string](), &pool.Options{Workers: 1}))
		ids := must(p.SubmitAll(t.Context(), visits("http://a/1", "http://a/2", "http://b/1", "http://a/3", "http://b/2")))
		for i, want := range []string{"3s", "1s", "0s", "2s", "1s"} {
			at, err := p.Get(t.Context(), ids[i])
			assert.NoError(t, err)
			assert.Equal(t, want, at, i)
		}
		assert.NoError(t, p.Stop(t.Context()))
	})
}
