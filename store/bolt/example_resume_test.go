package bolt_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strings"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store/bolt"
)

// A page is a result that says which task it is the result of.
type page struct {
	Name string
	Text string
}

func render(_ context.Context, name string) (page, error) {
	return page{name, strings.ToUpper(name)}, nil
}

// renderAll renders those of the names for which there is no result in the file.
func renderAll(ctx context.Context, path string, names []string) error {
	st, err := bolt.Open[page](path, nil)
	if err != nil {
		return err
	}
	defer st.Close()

	done := make(map[string]bool)
	for res, err := range st.All(ctx) {
		if err != nil && res.ID == 0 {
			return err
		}
		if err != nil || res.Err != nil { // it cannot be read, failed, or was not run: this time it may work
			if err := st.Delete(ctx, res.ID); err != nil {
				return err
			}
			continue
		}
		done[res.Value.Name] = true
	}
	fmt.Printf("%d of %d to do\n", len(names)-len(done), len(names))

	p, err := pool.New(ctx, render, st, nil)
	if err != nil {
		return err
	}
	for _, name := range names {
		if done[name] {
			continue
		}
		if _, err := p.Submit(ctx, name); err != nil {
			break // Stop says why
		}
	}
	return p.Stop(ctx)
}

// A program that was interrupted goes on where it was. The queue is in memory, so it looks
// which results there are, and submits the tasks of the others again.
func Example_resume() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	path := filepath.Join(dir, "pages.db")

	ctx := context.Background()
	if err := renderAll(ctx, path, []string{"home", "about"}); err != nil {
		fmt.Println(err)
	}
	// Another day there are more.
	if err := renderAll(ctx, path, []string{"home", "about", "contact"}); err != nil {
		fmt.Println(err)
	}
	// Output:
	// 2 of 2 to do
	// 1 of 3 to do
}
