package cookbook_test

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store/dense"
)

// fetchEach calls use for each of pages when it has come, whichever is first.
func fetchEach(ctx context.Context, p *pool.Pool[string, string], pages []string, use func(page, text string, err error)) error {
	ids, err := p.SubmitAll(ctx, pages)
	if err != nil {
		return err
	}
	for res, err := range p.GetAll(ctx, ids) {
		if err != nil {
			return err // it cannot be had: ctx is done, or the store has failed
		}
		i, _ := slices.BinarySearch(ids, res.ID) // IDs increase
		use(pages[i], res.Value, res.Err)
	}
	return nil
}

// Results in the order in which tasks end, each with what it is the result of.
func Example_resultsAsTheyEnd() {
	ctx := context.Background()
	gates := map[string]chan bool{"a": make(chan bool, 1), "b": make(chan bool, 1), "c": make(chan bool, 1)}
	fetch := func(_ context.Context, page string) (string, error) {
		<-gates[page]
		if page == "b" {
			return "", errors.New("not found")
		}
		return "page " + page, nil
	}
	p := must(pool.New(ctx, fetch, dense.New[string](), &pool.Options{Workers: 3}))

	next := map[string]string{"c": "a", "a": "b"} // which one comes after which
	gates["c"] <- true
	report(fetchEach(ctx, p, []string{"a", "b", "c"}, func(page, text string, err error) {
		fmt.Printf("%s: %q %v\n", page, text, err)
		if page, more := next[page]; more {
			gates[page] <- true
		}
	}))
	report(p.Stop(ctx))
	// Output:
	// c: "page c" <nil>
	// a: "page a" <nil>
	// b: "" not found
}
