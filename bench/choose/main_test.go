package main

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/bench/choose/recorder"
	"github.com/resultpool/resultpool/store"
	"github.com/resultpool/resultpool/store/rwmutex"
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
		"-value 1", "-value 16", "-value 24", "-value 64", "-value 128", "-value 256", "-value 500", "-value 1024",
	} {
		out, err := choose(t, nil, args+quick+" -out "+picture)
		require.NoError(t, err, args)
		for _, text := range []string{"Best for this mix is ", "least–most", " B\n", picture} {
			assert.Contains(t, out, text, args)
		}
		for _, name := range stores {
			assert.Regexp(t, name+` +[0-9.,]+ +[0-9.,]+–[0-9.,]+ +[0-9.,]+ ms `, out, args)
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
	assert.Equal(t, load{ops: 4132, parts: parts, stores: 1}, m.loadFor(time.Millisecond, 100))
	m.puts = 50
	assert.Equal(t, load{ops: 100_000, parts: 1, stores: 5}, m.loadFor(time.Second, 100))
	m.puts = 0
	assert.Equal(t, load{ops: 516_528, parts: 1, stores: 1}, m.loadFor(time.Second, 100))

	r := run[[1]uint64]{mix: mix{puts: 50, deletes: 100, goroutines: 3, held: 5000}, st: rwmutex.New[[1]uint64]()}
	require.NoError(t, r.grow(t.Context(), 40_000, parts))
	held, err := store.Snapshot(t.Context(), r.st)
	require.NoError(t, err)
	assert.InDelta(t, 5000, len(held), 50)
	assert.InDelta(t, 60_000, float64(r.done.Load()), 1000, "Puts, Gets, and a Delete for each Get")
}

// A store that loses or changes results is found out.
func TestWrongResults(t *testing.T) {
	for want, wrap := range map[string]func(store.ResultStore[[1]uint64]) store.ResultStore[[1]uint64]{
		"not found":      func(st store.ResultStore[[1]uint64]) store.ResultStore[[1]uint64] { return forgetful{st} },
		"another result": func(st store.ResultStore[[1]uint64]) store.ResultStore[[1]uint64] { return confused{st} },
	} {
		r := run[[1]uint64]{mix: mix{puts: 50, goroutines: 2, held: 1000}, st: wrap(rwmutex.New[[1]uint64]())}
		assert.ErrorContains(t, r.grow(t.Context(), 1000, 1), want)
	}
}

type forgetful struct{ store.ResultStore[[1]uint64] }

func (forgetful) Put(context.Context, store.Result[[1]uint64]) error { return nil }

type confused struct{ store.ResultStore[[1]uint64] }

func (s confused) Get(ctx context.Context, id store.ID) (store.Result[[1]uint64], error) {
	res, err := s.ResultStore.Get(ctx, id)
	res.Value[0]++
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
		"-count 0":                       "at least one repetition",
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
	assert.Contains(t, out, "That may be chance")

	out, err = choose(t, nil, "-held 1000 -goroutines 2 -mix "+file+" -count 1 -for 1ms -out "+dir+"/a.svg")
	require.NoError(t, err)
	assert.Contains(t, out, "75 % Put and 25 % Get by 2 goroutines on", "what is given wins over what was recorded")
	assert.Contains(t, out, "up to 1,000 results")
}

func TestVerdict(t *testing.T) {
	of := func(ns ...float64) (all []sample) {
		for _, v := range ns {
			all = append(all, sample{NsPerOp: v})
		}
		return all
	}
	for _, test := range []struct {
		name        string
		found       found
		want, never string
	}{
		{"a clear win of dense, and a clear second",
			found{
				"dense": of(10, 11, 12, 13, 14, 50), "rwmutex": of(40, 41, 42, 43, 44, 90),
				"xsync": of(30, 31, 32, 33, 34, 70), "syncmap": of(90, 91, 92, 93, 94, 200),
			},
			"Best for this mix is dense: it was the fastest in each repetition. The next, xsync, takes 2.6 times its time.\n" +
				"dense is for dense IDs, as a pool gives them out. With scattered IDs each costs it a segment: best is then\n" +
				"xsync: it was the fastest in each repetition. The next, rwmutex, takes 1.3 times its time.\n" +
				"All Puts of xsync wait while its table doubles: see the longest pause.\n",
			"chance"},
		{"a tie, which the simpler wins though it is slower",
			found{
				"dense": of(90, 91, 92, 93, 94, 95), "rwmutex": of(32, 33, 34, 35, 36, 29),
				"xsync": of(30, 31, 32, 33, 34, 35), "syncmap": of(80, 81, 82, 83, 84, 85),
			},
			"Best for this mix is rwmutex: xsync and rwmutex are equal within the spread of these measurements, and rwmutex is the simplest of them.\n",
			"dense is for"},
		{"a tie of all, in three repetitions",
			found{"dense": of(12, 20, 30), "rwmutex": of(11, 21, 31), "xsync": of(10, 22, 32), "syncmap": of(9, 23, 33)},
			"dense: dense, rwmutex, xsync and syncmap are equal within the spread of these measurements, and dense is the simplest of them. " +
				"That may be chance: measure at least 6 repetitions.\n",
			"fastest"},
	} {
		got := verdict(test.found)
		assert.Contains(t, got, test.want, test.name)
		assert.NotContains(t, got, test.never, test.name)
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
