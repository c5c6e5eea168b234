package bolt_test

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.etcd.io/bbolt"

	"github.com/resultpool/resultpool/store"
	"github.com/resultpool/resultpool/store/bolt"
)

var (
	damages    = flag.Int("bolt.damages", 200, "how many damages TestDamage tries")
	damageSeed = flag.Uint64("bolt.seed", 0, "the seed of TestDamage; 0: another one each time")
)

// damageEnv is the folder of a child of TestDamage.
const damageEnv = "RESULTPOOL_BOLT_DAMAGE"

// What is in the files that are damaged. IDs up to damageReserved have been handed out.
const (
	damageLast     = 430 // the results of 401 to 430 were put last, in one batch
	damageReserved = 65_536 + 30
)

func damageHeld(id store.ID) bool { return id >= 1 && id <= damageLast && id%7 != 0 }

// damageValue is longer than a page for some.
func damageValue(id store.ID) string {
	text := fmt.Sprintf("the value of result %d, to be read", id)
	if id%50 == 0 {
		text = strings.Repeat(text, 300)
	}
	return text
}

// makeSound writes two small databases with branches, leaves of one and of several pages, and
// free pages. One was closed; the other is what a killed process leaves.
func makeSound(t *testing.T, closed, killed string) {
	ctx := t.Context()
	st, err := bolt.Open[string](closed, &bolt.Options{NoSync: true})
	require.NoError(t, err)
	first, err := st.ReserveIDs(ctx, 65_536)
	require.NoError(t, err)
	require.Equal(t, store.ID(1), first)
	for id := store.ID(1); id <= 400; id++ {
		require.NoError(t, st.Put(ctx, store.Result[string]{ID: id, Value: damageValue(id)}))
	}
	for id := store.ID(7); id <= 400; id += 7 {
		require.NoError(t, st.Delete(ctx, id))
	}
	_, err = st.ReserveIDs(ctx, 30)
	require.NoError(t, err)
	var last []store.Result[string]
	for id := store.ID(401); id <= damageLast; id++ {
		if damageHeld(id) {
			last = append(last, store.Result[string]{ID: id, Value: damageValue(id)})
		}
	}
	require.NoError(t, st.PutBatch(ctx, last))
	data, err := os.ReadFile(closed)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(killed, data, 0o600))
	require.NoError(t, st.Close())
}

// usedPages returns the pages of a database that are in use, by what bbolt says.
func usedPages(t *testing.T, path string) (pages []int, pageSize int) {
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{ReadOnly: true, PreLoadFreelist: true})
	require.NoError(t, err)
	defer db.Close()
	require.NoError(t, db.View(func(tx *bbolt.Tx) error {
		for id := 0; ; {
			info, err := tx.Page(id)
			if info == nil || err != nil {
				return err
			}
			if info.Type == "free" {
				id++
				continue
			}
			for range info.OverflowCount + 1 {
				pages = append(pages, id)
				id++
			}
		}
	}))
	return pages, db.Info().PageSize
}

// A damage is one that is done to a file, and what came of it.
type damage struct {
	check bool   // Options.Check
	file  string // closed or killed
	kind  string // bit, cut or missing
	at    int    // which bit; how many bytes are left
}

func (d damage) String() string { return fmt.Sprintf("%t %s %s %d", d.check, d.file, d.kind, d.at) }

// TestDamage damages files, one at a time: a bit of a page that is in use, or all from some
// byte on, or the whole file. Whatever is done then ends with an error that names the file, or
// is right. Nobody gets a wrong result, one that was never put or was deleted, or an ID that
// was given out before; and no process ends or hangs. With Options.Check no result is missing
// without a word. The damages are tried in child processes, 250 in each. To try more:
//
//	go test -run 'TestDamage$' -bolt.damages=10000 -timeout=1h -v .
func TestDamage(t *testing.T) {
	if os.Getenv(damageEnv) != "" {
		damageChild()
		return
	}
	t.Parallel()
	dir := t.TempDir()
	makeSound(t, filepath.Join(dir, "closed"), filepath.Join(dir, "killed"))
	seed := *damageSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("-bolt.seed=%d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))

	var all []damage
	for range *damages {
		d := damage{file: []string{"closed", "killed"}[rnd.IntN(2)]}
		pages, pageSize := usedPages(t, filepath.Join(dir, d.file))
		switch n := rnd.IntN(100); {
		case n < 90:
			d.kind, d.at = "bit", 8*pageSize*pages[rnd.IntN(len(pages))]+rnd.IntN(8*pageSize)
		case n < 98:
			d.kind, d.at = "cut", rnd.IntN(pageSize*(slices.Max(pages)+1))
		default:
			d.kind = "missing"
		}
		all = append(all, d)
		d.check = true
		all = append(all, d)
	}
	outcomes := make(map[bool]map[string]int) // by check and outcome
	outcomes[false], outcomes[true] = make(map[string]int), make(map[string]int)
	for len(all) > 0 {
		done := damageRun(t, dir, all[:min(250, len(all))])
		for i, outcome := range done {
			kind, _, _ := strings.Cut(outcome, ":")
			if kind == "new" || kind == "taken back" {
				kind += ", by " + all[i].kind
			}
			outcomes[all[i].check][kind]++
			switch kind {
			case "wrong", "died":
				t.Errorf("damage %q: %s", all[i], outcome)
			case "missing":
				t.Logf("damage %q: %s", all[i], outcome)
			}
		}
		all = all[len(done):]
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

// damageRun has a child try the damages, as far as it gets.
func damageRun(t *testing.T, dir string, all []damage) (outcomes []string) {
	cmd := exec.Command(os.Args[0], "-test.run=^TestDamage$")
	cmd.Env = append(os.Environ(), damageEnv+"="+dir)
	var list strings.Builder
	for _, d := range all {
		fmt.Fprintln(&list, d)
	}
	cmd.Stdin = strings.NewReader(list.String())
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if outcome, ok := strings.CutPrefix(lines.Text(), "outcome "); ok {
			outcomes = append(outcomes, outcome)
		}
	}
	err = cmd.Wait()
	if len(outcomes) < len(all) {
		outcomes = append(outcomes, fmt.Sprintf("died: %v: %.3000s", err, stderr.String()))
	}
	return outcomes
}

func damageChild() {
	dir := os.Getenv(damageEnv)
	work, err := os.MkdirTemp(dir, "child")
	if err != nil {
		panic(err)
	}
	path := filepath.Join(work, "damaged.db")
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		var d damage
		if _, err := fmt.Sscan(in.Text(), &d.check, &d.file, &d.kind, &d.at); err != nil {
			panic(err)
		}
		if err := d.make(filepath.Join(dir, d.file), path); err != nil {
			panic(err)
		}
		hung := time.AfterFunc(time.Minute, func() { panic("hung") })
		outcome := newJudge(path, d.check).judge()
		hung.Stop()
		fmt.Printf("outcome %.1000s\n", strings.ReplaceAll(outcome, "\n", "|"))
	}
}

// make makes the damaged file.
func (d damage) make(sound, path string) error {
	_ = os.Remove(path)
	data, err := os.ReadFile(sound)
	if err != nil || d.kind == "missing" {
		return err
	}
	switch d.kind {
	case "bit":
		data[d.at/8] ^= 1 << (d.at % 8)
	case "cut":
		data = data[:d.at]
	}
	return os.WriteFile(path, data, 0o600)
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
	j := &judge{path: path, check: check, held: make(map[store.ID]bool), given: damageReserved, missing: make(map[store.ID]bool)}
	for id := store.ID(1); id <= damageLast; id++ {
		j.held[id] = damageHeld(id)
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
	ctx := context.Background()
	var seen string
	for round := range 2 {
		st, err := bolt.Open[string](j.path, &bolt.Options{NoSync: true, Check: j.check && round == 0})
		if err != nil {
			if !strings.Contains(err.Error(), j.path) {
				return "wrong: an error that does not name the file: " + err.Error()
			}
			if round == 0 {
				return "refused: " + err.Error()
			}
			j.errors = append(j.errors, err.Error())
			break
		}
		if bad := j.use(ctx, st, round); bad != "" {
			_ = st.Close()
			return "wrong: " + bad
		}
		if round == 0 {
			seen = j.verdict()
		}
		if err := st.Close(); err != nil {
			j.errors = append(j.errors, err.Error())
		}
		if seen == "new" {
			return seen
		}
	}
	if strings.HasPrefix(seen, "taken back") {
		return seen
	}
	return j.verdict()
}

func (j *judge) verdict() string {
	held, last := 0, 0
	for id, is := range j.held {
		if is && id <= damageLast {
			held++
		}
	}
	for id := range j.missing {
		if id > 400 && id <= damageLast {
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
func (j *judge) use(ctx context.Context, st *bolt.Store[string], round int) string {
	if bad := j.read(ctx, st); bad != "" {
		return bad
	}
	if len(j.missing) >= 300 { // a new file gives out IDs as one does
		return ""
	}
	first, err := st.ReserveIDs(ctx, 10)
	switch {
	case err != nil:
		j.errors = append(j.errors, err.Error())
		first = 1<<40 + store.ID(round*100)
	case first <= j.given:
		return fmt.Sprintf("ReserveIDs returned %d, and %d has been given out", first, j.given)
	default:
		j.given = first + 9
	}
	var batch []store.Result[string]
	for id := first; id < first+10; id++ {
		batch = append(batch, store.Result[string]{ID: id, Value: damageValue(id)})
	}
	if err := st.PutBatch(ctx, batch); err != nil {
		j.errors = append(j.errors, err.Error())
	} else {
		for _, res := range batch {
			j.held[res.ID] = true
		}
	}
	for _, id := range []store.ID{2, 50, 199, 200, 396} {
		id += store.ID(round)
		if !j.held[id] || j.missing[id] {
			continue
		}
		if err := st.Delete(ctx, id); err != nil {
			j.errors = append(j.errors, err.Error())
			delete(j.held, id) // nobody knows
			continue
		}
		j.held[id] = false
	}
	return j.read(ctx, st)
}

// read gets all and loops over all.
func (j *judge) read(ctx context.Context, st *bolt.Store[string]) string {
	ids := []store.ID{0, damageLast + 1, 1 << 20}
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
		case err != nil:
			j.errors = append(j.errors, err.Error())
		case !j.held[id]:
			return fmt.Sprintf("Get(%d) returned a result that is not held", id)
		case res.ID != id || res.Err != nil || res.Value != damageValue(id):
			return fmt.Sprintf("Get(%d) returned %.100v", id, res)
		}
	}
	yielded := make(map[store.ID]bool)
	failed := false
	for res, err := range st.All(ctx) {
		switch held, known := j.held[res.ID]; {
		case err != nil:
			failed = true
			j.errors = append(j.errors, err.Error())
			if !strings.Contains(err.Error(), j.path) {
				return fmt.Sprintf("All yielded an error that does not name the file: %v", err)
			}
		case known && !held:
			return fmt.Sprintf("All yielded %d, which was deleted", res.ID)
		case res.Err != nil || res.Value != damageValue(res.ID) || yielded[res.ID]:
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
