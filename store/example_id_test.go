package store_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"

	"github.com/resultpool/resultpool/store"
	"github.com/resultpool/resultpool/store/dense"
)

// A service whose users ask for their results by ID. IDs are 1, 2, 3 and so on, so the service
// keeps who has submitted which task, and says the same of another's ID as of none.
func ExampleParseID() {
	results := dense.New[string]()
	var owners sync.Map // of store.ID to the user's name; filled with what Submit returns

	mux := http.NewServeMux()
	mux.HandleFunc("GET /jobs/{id}", func(w http.ResponseWriter, r *http.Request) {
		id, err := store.ParseID(r.PathValue("id"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		user, _, _ := r.BasicAuth() // checked by what comes before, as in any service
		if owner, ok := owners.Load(id); !ok || owner != user {
			http.Error(w, "no such job", http.StatusNotFound)
			return
		}
		res, err := results.Get(r.Context(), id)
		_, _ = fmt.Fprint(w, res.Value, " ", err)
	})

	owners.Store(store.ID(1), "ada")
	_ = results.Put(context.Background(), store.Result[string]{ID: 1, Value: "ready"})
	for _, c := range [][2]string{{"ada", "1"}, {"bob", "1"}, {"bob", "2"}, {"bob", "0x1"}} {
		r, w := httptest.NewRequest(http.MethodGet, "/jobs/"+c[1], nil), httptest.NewRecorder()
		r.SetBasicAuth(c[0], "")
		mux.ServeHTTP(w, r)
		fmt.Printf("%s asks for %s: %d %q\n", c[0], c[1], w.Code, w.Body)
	}
	// Output:
	// ada asks for 1: 200 "ready <nil>"
	// bob asks for 1: 404 "no such job\n"
	// bob asks for 2: 404 "no such job\n"
	// bob asks for 0x1: 400 "store: the ID is \"0x1\", want a number from 1 to 18446744073709551615\n"
}
