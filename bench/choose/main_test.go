package main

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/bench/choose/recorder"
	"github.com/resultpool/resultpool/store"
	"github.com/resultpool/resultpool/store/dense"
	"github.com/resultpool/resultpool/store/rwmutex"
	"github.com/resultpool/resultpool/store/storetest"
)

// quick are flags with which a run says nothing, but ends soon.
const quick = " -held 1000 -count 2 -for 1ms"

// choose runs the command with what a user types and returns what it prints.
func choose(t *testing.T, typed io.Reader, args string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	err := command(t.Context(), console{in: typed, out: &out, progress: io.Discard, asks: typed != nil}, strings.Fields(args)...)
	return out.String(), err
}

func TestChoose(t *testing.T) {
	picture := filepath.Join(t.TempDir(), "a.svg")
	for _, args := range []string{
		"",
		"-puts 100 -goroutines 1",
		"-puts 0 -goroutines 9",
		"-puts 0.5",
		"-puts 40 -deletes 50",
		"-puts 50 -deletes 100 -goroutines 3",
		"-scattered", "-pointers", "-pointers -value 24", "-pointers -value 64 -scattered -goroutines 1",
		"-pointers -value 128", "-pointers -value 256", "-pointers -value 512", "-pointers -value 1024",
		"-value 1", "-value 16", "-value 24", "-value 64", "-value 128", "-value 256", "-value 500", "-value 1024",
	} {
		out, err := choose(t, nil, args+quick+" -out "+picture)
		require.NoError(t, err, args)
		for _, text := range []string{"Best for this mix is ", "least–most", " B\n", picture} {
			assert.Contains(t, out, text, args)
		}
		for _, name := range append([]string{none}, stores...) {
			row := regexp.MustCompile(name + ` +[0-9.,]+ +[0-9.,]+–[0-9.,]+ +[0-9.,]+ ms `)
			assert.Equal(t, name != "dense" || !strings.Contains(args, "-scattered"), row.MatchString(out), "%s: %s: %s", args, name, out)
		}
		assert.Equal(t, raced, strings.Contains(out, "race detector"))
	}
	assertPicture(t, picture)
}

// A mix whose operations do not all fit into the time, one that is repeated, and one in which the store stays
// as large as it is.
func TestLoads(t *testing.T) {
	m := defaults().mix
	m.held, m.puts, m.deletes = 100_000, 1, 1
	assert.Equal(t, load{ops: 4132, parts: parts, stores: 3}, m.loadFor(time.Millisecond, 100))
	m.puts = 50
	assert.Equal(t, load{ops: 100_000, parts: 1, stores: 15}, m.loadFor(time.Second, 100))
	m.puts = 0
	assert.Equal(t, load{ops: 516_528, parts: 1, stores: 3}, m.loadFor(time.Second, 100))

	r := run[rest]{mix: mix{puts: 50, deletes: 100, goroutines: 3, held: 5000}, st: rwmutex.New[value[rest]]()}
	require.NoError(t, r.grow(t.Context(), 40_000, parts, 0.5))
	held, err := store.Snapshot(t.Context(), r.st)
	require.NoError(t, err)
	assert.InDelta(t, 5000, len(held), 50)
	assert.InDelta(t, 60_000, float64(r.done.Load()), 1000, "Puts, Gets, and a Delete for each Get")
}

// Many goroutines do as much of each kind as the mix says, though each does few operations, and as many Deletes as
// Puts may come before these, in a store that holds little.
func TestShares(t *testing.T) {
	r := run[rest]{mix: mix{puts: 1, goroutines: 1000, held: 1000}, st: rwmutex.New[value[rest]]()}
	require.NoError(t, r.fill(t.Context(), 500))
	require.NoError(t, r.mixed(t.Context(), 160_000))
	assert.InDelta(t, 500+1600, float64(r.newest.Load()), 1)

	r = run[rest]{mix: mix{puts: 10, deletes: 100 / 9.0, goroutines: 5000, held: 10}, st: rwmutex.New[value[rest]]()}
	require.NoError(t, r.fill(t.Context(), 1))
	require.NoError(t, r.mixed(t.Context(), 160_000))
	assert.InDelta(t, 16_000, float64(r.newest.Load()), 2)
	assert.InDelta(t, 16_000, float64(r.oldest.Load()), 2)
}

func TestScatteredIDs(t *testing.T) {
	seen := make(map[store.ID]bool)
	for n := range uint64(100_000) {
		seen[mix{scattered: true}.id(n+1)] = true
	}
	assert.Len(t, seen, 100_000)
	assert.NotContains(t, seen, store.ID(0))
	assert.Equal(t, store.ID(7), mix{}.id(7))
}

// What a chunk of fill takes counts as a pause, and not as time for operations; the first fill counts as neither.
func TestFillPauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := func() testStore {
			return storetest.WithFaults(rwmutex.New[value[rest]](), storetest.Faults{Put: storetest.Slow(time.Second)})
		}
		r := run[rest]{mix: mix{puts: 1, goroutines: 1, held: 200}, st: slow()}
		require.NoError(t, r.grow(t.Context(), 32, 2, 0))
		assert.Equal(t, int64(16*time.Second), r.longest.Load())
		assert.Less(t, r.took, 2*time.Second)

		r = run[rest]{mix: mix{puts: 0, goroutines: 1, held: 200}, st: slow()}
		require.NoError(t, r.grow(t.Context(), 32, 1, 0))
		assert.Less(t, r.longest.Load(), int64(time.Second))
	})
}

// rest is that of the values in tests.
type rest = [0]uint64

type testStore = store.ResultStore[value[rest]]

// A store that loses or changes results is found out, also by a goroutine that deletes what it has read.
func TestWrongResults(t *testing.T) {
	for want, wrap := range map[string]func(testStore) testStore{
		"not found":      func(st testStore) testStore { return forgetful{st} },
		"another result": func(st testStore) testStore { return confused{st} },
	} {
		for _, deletes := range []float64{0, 100} {
			r := run[rest]{mix: mix{puts: 50, deletes: deletes, goroutines: 2, held: 1000}, st: wrap(rwmutex.New[value[rest]]())}
			assert.ErrorContains(t, r.grow(t.Context(), 1000, 1, 0), want)
		}
	}
	r := run[rest]{mix: mix{puts: 50, goroutines: 2, held: 1000}}
	r.st = storetest.WithFaults(rwmutex.New[value[rest]](), storetest.Faults{Get: storetest.Fail(io.ErrUnexpectedEOF)})
	r.oldest.Store(1 << 40) // all were deleted
	assert.ErrorIs(t, r.get(t.Context(), 1, false), io.ErrUnexpectedEOF)
}

type forgetful struct{ testStore }

func (forgetful) Put(context.Context, store.Result[value[rest]]) error { return nil }

type confused struct{ testStore }

func (s confused) Get(ctx context.Context, id store.ID) (store.Result[value[rest]], error) {
	res, err := s.testStore.Get(ctx, id)
	res.Value.id++
	return res, err
}

func TestQuestions(t *testing.T) {
	at := console{in: strings.NewReader("200\nmany\n25\n\n1.5\n4_000\n"), out: io.Discard, asks: true}
	m, err := ask(t.Context(), at, mix{puts: 50, goroutines: 7, held: 1_000_000})
	require.NoError(t, err)
	assert.Equal(t, mix{puts: 25, goroutines: 7, held: 4000}, m)

	at.in = strings.NewReader("") // ends at once, as with Ctrl-D
	m, err = ask(t.Context(), at, mix{puts: 50, goroutines: 7, held: 2000})
	require.NoError(t, err)
	assert.Equal(t, mix{puts: 50, goroutines: 7, held: 2000}, m)

	var out bytes.Buffer
	m, err = ask(t.Context(), console{out: &out}, mix{puts: 3})
	require.NoError(t, err)
	assert.Equal(t, mix{puts: 3}, m)
	assert.Contains(t, out.String(), "not a terminal")
}

// A question does not keep Ctrl-C from ending the program.
func TestQuestionIsInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	in, typing := io.Pipe()
	defer typing.Close()
	_, err := ask(ctx, console{in: in, out: writer(func([]byte) { cancel() }), asks: true}, mix{})
	assert.ErrorIs(t, err, context.Canceled)
}

type writer func([]byte)

func (w writer) Write(p []byte) (int, error) {
	w(p)
	return len(p), nil
}

func TestInterrupt(t *testing.T) {
	picture := filepath.Join(t.TempDir(), "a.svg")
	ctx, cancel := context.WithCancel(t.Context())
	bar := writer(func([]byte) { cancel() }) // at the first step
	err := command(ctx, console{out: io.Discard, progress: bar}, "-for", "1h", "-out", picture)
	assert.ErrorIs(t, err, context.Canceled)
	assert.NoFileExists(t, picture)
}

func TestWrongCalls(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o666))
		return path
	}
	for args, want := range map[string]string{
		"now":                            `"now" is no flag`,
		"-fast":                          "not defined: -fast",
		"-puts 101":                      "-puts is 101: want a percentage",
		"-puts -1":                       "-puts is -1: want a percentage",
		"-puts NaN":                      "-puts is NaN: want a percentage",
		"-deletes 101":                   "-deletes is 101: want a percentage",
		"-puts 100 -deletes 1":           "nothing is read",
		"-puts 20 -deletes 50":           "the store would become empty; want at most 25",
		"-goroutines 0":                  "-goroutines is 0: want 1 to",
		"-held 10":                       "-held is 10: want 1000 to",
		"-value 0":                       "-value is 0: want 1 to 1024",
		"-value 2000":                    "keep pointers, whose value is 8",
		"-count 0":                       "-count is 0: want 1 to 1000 repetitions",
		"-held 100000000 -value 1024":    "97656 MiB in values alone: want at most 4096 MiB",
		"-for 0s":                        "want some time",
		"-out " + dir + "/none/a.svg":    "there is no such folder",
		quick + " -out " + dir:           "-out names another file",
		"-mix " + dir + "/none":          "reading the mix",
		"-mix " + file("torn", "{"):      "no file that package recorder has written",
		"-mix " + file("unused", "{}"):   "neither Puts nor Gets",
		"page now":                       "page takes flags only",
		"page -count 0":                  "at least one repetition",
		"page -again -docs " + dir:       "choosing-a-store.txt",
		"page -docs " + dir + "/nowhere": "there is no such folder",
	} {
		_, err := choose(t, nil, args)
		assert.ErrorContains(t, err, want, args)
	}
}

func TestRecordedMix(t *testing.T) {
	dir := t.TempDir()
	rec := recorder.New(rwmutex.New[int]())
	st := rec.Store()
	for id := range store.ID(3000) {
		require.NoError(t, st.Put(t.Context(), store.Result[int]{ID: id + 1}))
		if id%3 == 0 {
			_, err := st.Get(t.Context(), id+1)
			require.NoError(t, err)
		}
		if id%6 == 0 {
			require.NoError(t, st.Delete(t.Context(), id+1))
		}
	}
	for range st.All(t.Context()) {
		break
	}
	file := filepath.Join(dir, "mix.json")
	require.NoError(t, rec.WriteFile(file))
	out, err := choose(t, nil, "-mix "+file+" -count 1 -for 1ms -out "+dir+"/a.svg")
	require.NoError(t, err)
	assert.Contains(t, out, "75 % Put and 25 % Get by 1 goroutine on")
	assert.Contains(t, out, "up to 2,500 results of 8 bytes, deleted after 50 % of Gets")
	assert.Contains(t, out, "loops over All, 1 time; that")
	assert.NotContains(t, out, "pointer")
	assert.Contains(t, out, "That may be chance")

	out, err = choose(t, nil, "-held 1000 -goroutines 2 -mix "+file+" -count 1 -for 1ms -out "+dir+"/a.svg")
	require.NoError(t, err)
	assert.Contains(t, out, "75 % Put and 25 % Get by 2 goroutines on", "what is given wins over what was recorded")
	assert.Contains(t, out, "up to 1,000 results")

	strings := filepath.Join(dir, "strings.json")
	require.NoError(t, recorder.New(dense.New[string]()).WriteFile(strings))
	text := bytes.ReplaceAll([]byte(read(t, strings)), []byte(`": 0`), []byte(`": 20000`)) // of all that is counted
	require.NoError(t, os.WriteFile(strings, text, 0o666))
	out, err = choose(t, nil, "-mix "+strings+" -held 1000 -deletes 0 -count 1 -for 100ms -out "+dir+"/a.svg")
	require.NoError(t, err)
	assert.Contains(t, out, "by 10,000 goroutines on")
	assert.Contains(t, out, "of 16 bytes with a pointer")
	assert.Contains(t, out, "has 20000 calls at the same time; at most 10000 are measured")
}

func TestVerdict(t *testing.T) {
	of := func(ns ...float64) (all []sample) {
		for _, v := range ns {
			all = append(all, sample{NsPerOp: v})
		}
		return all
	}
	waits := func(all []sample, d time.Duration) []sample {
		for i := range all {
			all[i].LongestPause = d
		}
		return all
	}
	for _, test := range []struct {
		name        string
		found       found
		want, never string
	}{
		{"a clear win of dense",
			found{
				"dense": of(10, 11, 12, 13, 14, 50), "rwmutex": of(40, 41, 42, 43, 44, 90),
				"xsync": of(30, 31, 32, 33, 34, 70), "syncmap": of(90, 91, 92, 93, 94, 200),
				"none": of(1, 1, 1, 1, 1, 1),
			},
			"Best for this mix is dense: it was the fastest (13 ns). The next, xsync (33 ns), takes 2.6 times its time.\n" +
				"dense is for dense IDs, as a pool gives them out. If yours are scattered, measure with -scattered.\n",
			"chance"},
		{"a tie, of which one is the store to start with though it is slower",
			found{
				"dense": of(90, 91, 92, 93, 94, 95), "rwmutex": of(32, 33, 34, 35, 36, 29),
				"xsync": of(30, 31, 32, 33, 34, 35), "syncmap": of(80, 81, 82, 83, 84, 85),
			},
			"Best for this mix is rwmutex: xsync (33 ns) and rwmutex (34 ns) could not be told apart, and rwmutex is the one of them to start with.\n",
			"dense is for"},
		{"a tie of all, in three repetitions",
			found{"dense": of(12, 20, 30), "rwmutex": of(11, 21, 31), "xsync": of(10, 22, 32), "syncmap": of(9, 23, 33)},
			"dense (20 ns), rwmutex (21 ns), xsync (22 ns) and syncmap (23 ns) could not be told apart, and dense is the one of them to start with. " +
				"That may be chance: measure at least 6 repetitions.\n",
			"fastest"},
		{"scattered IDs, and long pauses of the fastest",
			found{
				"rwmutex": waits(of(20, 21, 22, 23, 24, 25), 4*time.Millisecond), "syncmap": waits(of(80, 81, 82, 83, 84, 85), 30*time.Millisecond),
				"xsync": waits(of(10, 11, 12, 13, 14, 15), 40*time.Millisecond),
			},
			"Best for this mix is xsync: it was the fastest (13 ns). The next, rwmutex (23 ns), takes 1.8 times its time.\n" +
				"Mind its longest pause: 40 ms, where rwmutex has 4.0 ms.\n" +
				"All Puts of xsync wait while its table doubles.\n" +
				"dense was not measured: each scattered ID would cost it a segment of slots.\n",
			"dense is for"},
	} {
		got := verdict(test.found)
		assert.Contains(t, got, test.want, test.name)
		assert.NotContains(t, got, test.never, test.name)
	}
	// So many wins of so many are too many for chance.
	for n, wins := range map[int]int{5: 6, 6: 6, 8: 8, 9: 8, 20: 15, mostCount: 532} {
		one, other := make([]sample, n), make([]sample, n)
		for i := range min(wins-1, n) {
			other[i].NsPerOp = 1
		}
		assert.False(t, faster(one, other), n)
		if wins <= n {
			other[n-1].NsPerOp = 1
			assert.True(t, faster(one, other), n)
		}
	}
	assert.Equal(t, spread{1, 2.5, 4}, spreadOf(of(4, 1, 3, 2), perOp))
	assert.Equal(t, spread{1, 2, 4}, spreadOf(of(4, 1, 2), perOp))
}

func TestNumber(t *testing.T) {
	for want, v := range map[string]float64{"0.05": 0.05, "1.0": 0.999, "5.3": 5.25001, "10": 9.96, "1,234": 1234.4, "0": 0} {
		assert.Equal(t, want, number(v))
	}
}

// assertPicture checks that a picture is XML from its beginning to its end.
func assertPicture(t *testing.T, path string) {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	d := xml.NewDecoder(iotest.HalfReader(bytes.NewReader(text)))
	for {
		_, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
	}
	assert.Greater(t, bytes.Count(text, []byte("<text ")), 4)
	assert.NotContains(t, string(text), "NaN")
	for _, name := range stores {
		assert.Contains(t, string(text), ">"+name+"<")
	}
}
