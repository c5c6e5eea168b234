package bolt

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.etcd.io/bbolt"

	"github.com/resultpool/resultpool/store"
)

var (
	damages    = flag.Int("bolt.damages", 100, "how many damages TestDamage tries")
	damageSeed = flag.Uint64("bolt.seed", 0, "the seed of TestDamage; 0: another one each time")
)

// A damage is one that is done to a file.
type damage struct {
	check bool   // Options.Check
	file  int    // which
	kind  string // bit, cut or missing
	at    int    // which bit; how many bytes are left
}

// make makes the damaged file.
func (d damage) make(s *sound, path string) error {
	_ = os.Remove(path)
	data := bytes.Clone(s.data)
	switch d.kind {
	case "missing":
		return nil
	case "bit":
		data[d.at/8] ^= 1 << (d.at % 8)
	case "cut":
		data = data[:d.at]
	}
	return os.WriteFile(path, data, 0o600)
}

// TestDamage damages files, one at a time: a bit of a page that is in use, or all from some
// byte on, or the whole file. Whatever is done then ends with an error that names the file, or
// is right. Nobody gets a wrong result, one that was never put or was deleted, or an ID that
// was given out before; and the process neither ends nor hangs. With Options.Check no result
// is missing without a word. To try more:
//
//	go test -run 'TestDamage$' -bolt.damages=10000 -timeout=1h -v .
func TestDamage(t *testing.T) {
	t.Parallel()
	needsWritable(t)
	seed := *damageSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	fmt.Printf("TestDamage: -bolt.seed=%d\n", seed) // now: the process may end
	rnd := rand.New(rand.NewPCG(seed, 0))
	files := []*sound{newSound(t, true), newSound(t, false)}
	used := [][]int{usedPages(t, files[0].path), usedPages(t, files[1].path)}
	path := newPath(t)
	outcomes := map[bool]map[string]int{false: {}, true: {}} // by check and outcome
	for n := range 2 * *damages {
		d := damage{check: n%2 != 0, file: rnd.IntN(2), kind: "missing"}
		pages, size := used[d.file], files[d.file].pageSize
		switch n := rnd.IntN(100); {
		case n < 30: // where a page says what it is
			d.kind, d.at = "bit", 8*size*pages[rnd.IntN(len(pages))]+rnd.IntN(8*64)
		case n < 90:
			d.kind, d.at = "bit", 8*size*pages[rnd.IntN(len(pages))]+rnd.IntN(8*size)
		case n < 98:
			d.kind, d.at = "cut", rnd.IntN(size*(slices.Max(pages)+1))
		}
		require.NoError(t, d.make(files[d.file], path))
		hung := time.AfterFunc(time.Minute, func() { panic(fmt.Sprintf("damage %v: hung", d)) })
		outcome := newJudge(path, d.check).judge()
		hung.Stop()
		kind, _, _ := strings.Cut(outcome, ":")
		if kind == "new" || kind == "taken back" {
			kind += ", by " + d.kind
		}
		outcomes[d.check][kind]++
		assert.NotEqual(t, "wrong", kind, "damage %v: %.1000s", d, outcome)
	}
	t.Logf("without Check: %v", outcomes[false])
	t.Logf("with Check:    %v", outcomes[true])
	assert.Zero(t, outcomes[true]["missing"])
	assert.Zero(t, outcomes[true]["taken back, by bit"])
	assert.Zero(t, outcomes[true]["error"], "Check has not found it")
	for _, check := range []bool{false, true} {
		assert.NotZero(t, outcomes[check]["right"])
		assert.NotZero(t, outcomes[check]["refused"])
	}
}

// usedPages returns the pages of a database that are in use, by what bbolt says.
func usedPages(t *testing.T, path string) (pages []int) {
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{ReadOnly: true, PreLoadFreelist: true})
	require.NoError(t, err)
	defer db.Close()
	require.NoError(t, db.View(func(tx *bbolt.Tx) error {
		for id := 0; ; id++ {
			info, err := tx.Page(id)
			if info == nil || err != nil {
				return err
			}
			if info.Type == "free" { // what else it says is out of date
				continue
			}
			for last := id + info.OverflowCount; id < last; id++ {
				pages = append(pages, id)
			}
			pages = append(pages, id)
		}
	}))
	return pages
}

// A judge uses a damaged file as a program would, and says what came of it.
type judge struct {
	path    string
	check   bool
	held    map[store.ID]bool // what it should hold
	given   store.ID          // the highest ID that was given out
	errors  []string
	missing map[store.ID]bool // not found, and nothing else said
}

func newJudge(path string, check bool) *judge {
	j := &judge{path: path, check: check, held: make(map[store.ID]bool), given: soundReserved, missing: make(map[store.ID]bool)}
	for id := store.ID(1); id <= soundLast; id++ {
		j.held[id] = isHeld(id)
	}
	return j
}

// judge returns one of
//
//	refused     Open says what is wrong
//	error       a later call does
//	right       all is as it should be
//	new         the file is taken for one that is to be made
//	taken back  what was written last is missing, all of it
//	missing     other results are
//	wrong       anything else
func (j *judge) judge() string {
	var seen string
	for round := range 2 {
		st, err := Open[string](j.path, &Options{NoSync: true, Check: j.check && round == 0})
		switch {
		case err == nil:
		case !strings.Contains(err.Error(), j.path):
			return "wrong: an error that does not name the file: " + err.Error()
		case round == 0:
			return "refused: " + err.Error()
		default:
			j.note(err)
			return j.verdict()
		}
		if bad := j.use(context.Background(), st, round); bad != "" {
			_ = st.Close()
			return "wrong: " + bad
		}
		if round == 0 {
			seen = j.verdict()
		}
		j.note(st.Close())
		if seen == "new" {
			return seen
		}
	}
	if seen == "taken back" {
		return seen
	}
	return j.verdict()
}

// note reports whether err is nil, and keeps it if not.
func (j *judge) note(err error) bool {
	if err != nil {
		j.errors = append(j.errors, err.Error())
	}
	return err == nil
}

func (j *judge) verdict() string {
	held, last := 0, 0
	for id, is := range j.held {
		if is && id <= soundLast {
			held++
		}
	}
	for id := range j.missing {
		if id >= soundBatch && id <= soundLast {
			last++
		}
	}
	switch n := len(j.missing); {
	case len(j.errors) > 0:
		return "error: " + j.errors[0]
	case n > 0 && n >= held:
		return "new"
	case n > 0 && n == last && n >= 25:
		return "taken back"
	case n > 0:
		return fmt.Sprintf("missing: %d results", n)
	}
	return "right"
}

// use does a bit of everything, and returns what is wrong.
func (j *judge) use(ctx context.Context, st *Store[string], round int) string {
	if bad := j.read(ctx, st); bad != "" {
		return bad
	}
	if len(j.missing) >= 300 { // a new file gives out IDs as one does
		return ""
	}
	first, err := st.ReserveIDs(ctx, 10)
	switch {
	case !j.note(err):
		first = 1<<40 + store.ID(round*100)
	case first <= j.given:
		return fmt.Sprintf("ReserveIDs returned %d, and %d has been given out", first, j.given)
	default:
		j.given = first + 9
	}
	var batch []store.Result[string]
	for id := first; id < first+10; id++ {
		batch = append(batch, soundResult(id))
	}
	if j.note(st.PutBatch(ctx, batch)) {
		for _, res := range batch {
			j.held[res.ID] = true
		}
	}
	for _, id := range []store.ID{2, 50, 199, 200, 396} {
		id += store.ID(round)
		switch {
		case !j.held[id] || j.missing[id]:
		case j.note(st.Delete(ctx, id)):
			j.held[id] = false
		default:
			delete(j.held, id) // nobody knows
		}
	}
	var ids []store.ID
	for _, id := range []store.ID{22, 23, 120, 121, 122, 300, 402} {
		if id += store.ID(3 * round); j.held[id] && !j.missing[id] {
			ids = append(ids, id)
		}
	}
	deleted := j.note(st.DeleteBatch(ctx, ids))
	for _, id := range ids {
		if delete(j.held, id); deleted {
			j.held[id] = false
		}
	}
	return j.read(ctx, st)
}

// read gets all and loops over all.
func (j *judge) read(ctx context.Context, st *Store[string]) string {
	ids := []store.ID{0, soundLast + 1, 1 << 20}
	for id := range j.held {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	for _, id := range ids {
		res, err := st.Get(ctx, id)
		switch {
		case errors.Is(err, store.ErrNotFound):
			if j.held[id] {
				j.missing[id] = true
			}
		case err != nil && !strings.Contains(err.Error(), j.path):
			return fmt.Sprintf("Get(%d) returned an error that does not name the file: %v", id, err)
		case !j.note(err):
		case !j.held[id] || res != soundResult(id):
			return fmt.Sprintf("Get(%d) returned %.100v, held: %v", id, res, j.held[id])
		}
	}
	yielded := make(map[store.ID]bool)
	failed := false
	for res, err := range st.All(ctx) {
		switch held, known := j.held[res.ID]; {
		case err != nil && !strings.Contains(err.Error(), j.path):
			return fmt.Sprintf("All yielded an error that does not name the file: %v", err)
		case !j.note(err):
			failed = true
		case known && !held || res != soundResult(res.ID) || yielded[res.ID]:
			return fmt.Sprintf("All yielded %.100v", res)
		}
		yielded[res.ID] = true
	}
	for id, held := range j.held {
		if held && !yielded[id] && !failed {
			j.missing[id] = true
		}
	}
	return ""
}
