package check

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/monitor"
	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store/dense"
)

// hostile is a name that does harm where it is not shown as text.
const hostile = `<img src=x onerror="document.title='harmed'"> "quoted"`

// serve mounts a Monitor below a prefix, as a program would. It is closed first: a server waits for /events.
func serve(t *testing.T, opts *monitor.Options) (*monitor.Monitor, string) {
	m := monitor.New(opts)
	mux := http.NewServeMux()
	mux.Handle("/debug/pools/", http.StripPrefix("/debug/pools", m))
	s := httptest.NewServer(mux)
	t.Cleanup(func() {
		assert.NoError(t, m.Close())
		s.Close()
	})
	return m, s.URL + "/debug/pools/"
}

const number = `document.querySelector('#numbers [data-name="%s"] dd span').textContent`

// A real browser shows a pool's numbers as they change, below a prefix, and has nothing to complain about.
func TestPageIsLive(t *testing.T) {
	b := open(t)
	m, url := serve(t, &monitor.Options{Every: 100 * time.Millisecond, Stuck: time.Nanosecond})
	gate := make(chan struct{}, 100)
	p, err := pool.New(t.Context(), func(ctx context.Context, n int) (int, error) {
		<-gate
		if n == 3 {
			return 0, errors.New("secret")
		}
		return n, nil
	}, dense.New[int](), &pool.Options{Workers: 1, Hooks: m.Hooks("jobs")})
	require.NoError(t, err)

	b.visit(url, 1000, 800, false)
	b.wait(`!document.getElementById("none").hidden`) // no pool yet
	defer m.Add("jobs", p)()
	b.wait(`document.getElementById("name").textContent === "jobs"`)
	_, err = p.SubmitAll(t.Context(), []int{1, 2, 3, 4})
	require.NoError(t, err)
	is := func(name, value string) string { return fmt.Sprintf(number+` === "%s"`, name, value) }
	b.wait(is("queued", "3"))
	b.wait(is("running", "1"))
	b.wait(`document.querySelector("#running td").textContent === "task 1"`)
	b.wait(`document.querySelector("#rows tr").textContent.includes("1 stuck")`)
	b.wait(`document.title === "(!) Pools"`)
	gate <- struct{}{}
	b.wait(is("queued", "2"))
	b.wait(`document.querySelector("#running td").textContent === "task 2"`)
	gate <- struct{}{}
	gate <- struct{}{}
	b.wait(`document.getElementById("errors").textContent.includes("Failed: *errors.errorString1 ×")`)
	b.wait(fmt.Sprintf(number, "ended per second") + ` !== "0"`)
	b.wait(`document.querySelectorAll("path")[0].getAttribute("d").includes("L")`)
	gate <- struct{}{}
	b.wait(is("running", "0"))
	b.wait(`document.title === "Pools"`)
	assert.NotContains(t, b.eval("document.documentElement.outerHTML"), "secret")
	b.noFaults()

	require.NoError(t, m.Close())
	b.wait(`document.getElementById("state").className === "bad"`) // it says that nothing comes any more
	require.NoError(t, p.Stop(t.Context()))
}

// Names are shown as text. Pools are chosen by the mouse, the keyboard and the address, and found by their names.
func TestPageOfManyPools(t *testing.T) {
	b := open(t)
	m, url := serve(t, &monitor.Options{Every: 500 * time.Millisecond})
	m.Add(hostile, source{})
	m.Add(strings.Repeat("x", 10_000), source{})
	remove := m.Add("third", source{})
	for i := range 1000 {
		m.Add(fmt.Sprint("pool ", i), source{})
	}
	b.visit(url, 1000, 800, true)
	shows := func(name string) string {
		return fmt.Sprintf("document.getElementById('name').textContent === %q", name)
	}
	b.wait(`document.querySelectorAll("#rows tr").length === 1003`)
	b.wait(shows(hostile))
	assert.Equal(t, "0", b.eval(`document.querySelectorAll("img").length`))
	b.press("ArrowDown")
	b.wait(shows(strings.Repeat("x", 200) + "…"))
	b.press("ArrowDown")
	b.wait(shows("third"))
	remove()
	b.wait(shows(hostile)) // what was shown has gone
	b.eval(`location.hash = "#5"`)
	b.wait(shows("pool 1"))
	b.eval(`document.querySelectorAll("#rows tr")[9].click()`)
	b.wait(shows("pool 7"))
	b.press("/")
	for _, key := range "999" {
		b.press(string(key))
	}
	b.wait(`[...document.querySelectorAll("#rows tr")].filter((r) => !r.hidden).length === 1`)
	b.press("ArrowDown")
	b.wait(shows("pool 999"))
	b.press("Escape")
	b.wait(`[...document.querySelectorAll("#rows tr")].every((r) => !r.hidden)`)
	assert.Equal(t, "Pools", b.eval("document.title"))
	b.noFaults()
}

// In a narrow window nothing is wider than the window, and text can be read on its background in both schemes.
func TestPageIsReadable(t *testing.T) {
	b := open(t)
	m, url := serve(t, &monitor.Options{Every: 100 * time.Millisecond})
	m.Add(strings.Repeat("long ", 50), source{failing: errors.New(strings.Repeat("unbroken", 50))})
	for _, dark := range []bool{false, true} {
		for _, width := range []int{320, 600, 1400} {
			b.visit(url, width, 900, dark)
			b.wait(`document.getElementById("alarm") && !document.getElementById("alarm").hidden`)
			assert.LessOrEqual(t, b.eval("document.documentElement.scrollWidth"), fmt.Sprint(width))
			assert.Empty(t, b.eval(unreadable), "%d pixels, dark: %v", width, dark)
		}
	}
	m.Add("blind", panicking{})
	b.visit(url+"#2", 600, 900, false)
	b.wait(`document.getElementById("name").textContent === "blind"`)
	b.wait(`!document.getElementById("alarm").hidden`)
	assert.Equal(t, "0", b.eval(`document.querySelectorAll("#numbers .bad").length`), "what is not known is not bad")
	b.noFaults()
}

// panicking is a source that cannot be looked at.
type panicking struct{ source }

func (panicking) Stats() pool.Stats { panic("boom") }

// unreadable lists texts whose contrast with what is behind them is less than the 4.5 to 1 of the guidelines.
const unreadable = `(() => {
	const rgb = (c) => c.match(/[\d.]+/g).map(Number);
	const light = (c) => rgb(c).slice(0, 3).map((v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
		.reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
	const bad = [];
	for (const e of document.querySelectorAll("body *")) {
		if (![...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim()) || !e.checkVisibility()) continue;
		let behind = e;
		while (behind && (rgb(getComputedStyle(behind).backgroundColor)[3] ?? 1) === 0) behind = behind.parentElement;
		const [a, b] = [light(getComputedStyle(e).color), light(getComputedStyle(behind).backgroundColor)].sort((x, y) => y - x);
		if ((a + 0.05) / (b + 0.05) < 4.5) bad.push(e.textContent);
	}
	return bad.join("\n");
})()`
