package check

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// browser is a page in a Chromium without a window. It is driven by the protocol of the developers' tools over two
// pipes: that is all that is needed of the modules which do it.
type browser struct {
	t       *testing.T
	to      *os.File
	session string

	mu      sync.Mutex
	last    int
	answers map[int]chan message
	faults  []string // of scripts, the console, and what the policy has refused
}

type message struct {
	ID     int             `json:"id"`
	Method string          `json:"method"`
	Params json.RawMessage `json:"params"`
	Result json.RawMessage `json:"result"`
	Error  json.RawMessage `json:"error"`
}

// open starts a browser, which ends with the test, and skips the test where there is none.
func open(t *testing.T) *browser {
	var path string
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			path = found
			break
		}
	}
	if path == "" {
		t.Skip("SKIPPED: there is no chromium: nobody has looked at the page")
	}
	commands, to, err := os.Pipe()
	require.NoError(t, err)
	from, events, err := os.Pipe()
	require.NoError(t, err)
	cmd := exec.Command(path, "--headless=new", "--remote-debugging-pipe", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
		"--hide-scrollbars", "--disable-background-networking", "--no-first-run", "--user-data-dir="+t.TempDir(), "about:blank")
	cmd.ExtraFiles = []*os.File{commands, events} // 3 and 4
	require.NoError(t, cmd.Start())
	_ = commands.Close()
	_ = events.Close()
	b := &browser{t: t, to: to, answers: make(map[int]chan message)}
	read := make(chan struct{})
	go func() {
		defer close(read)
		b.read(from)
	}()
	t.Cleanup(func() {
		b.session = ""
		b.call("Browser.close", nil)
		_ = to.Close()
		_ = cmd.Wait() // how it ends does not matter
		<-read
		_ = from.Close()
	})

	var target struct{ TargetID string }
	b.decode(b.call("Target.createTarget", fields{"url": "about:blank"}), &target)
	var attached struct{ SessionID string }
	b.decode(b.call("Target.attachToTarget", fields{"targetId": target.TargetID, "flatten": true}), &attached)
	b.session = attached.SessionID
	for _, domain := range []string{"Page", "Runtime", "Log"} {
		b.call(domain+".enable", nil)
	}
	return b
}

type fields map[string]any

// read takes what the browser says.
func (b *browser) read(from *os.File) {
	r := bufio.NewReader(from)
	for {
		data, err := r.ReadBytes(0)
		if err != nil {
			return
		}
		var m message
		if json.Unmarshal(data[:len(data)-1], &m) != nil {
			continue
		}
		b.mu.Lock()
		switch {
		case m.ID > 0:
			b.answers[m.ID] <- m
			delete(b.answers, m.ID)
		case m.Method == "Runtime.exceptionThrown" || m.Method == "Log.entryAdded" || m.Method == "Runtime.consoleAPICalled":
			b.faults = append(b.faults, string(m.Params))
		}
		b.mu.Unlock()
	}
}

// call has the browser do something, and waits for its answer.
func (b *browser) call(method string, params fields) json.RawMessage {
	b.mu.Lock()
	b.last++
	id, answer := b.last, make(chan message, 1)
	b.answers[id] = answer
	b.mu.Unlock()
	command := fields{"id": id, "method": method}
	if params != nil {
		command["params"] = params
	}
	if b.session != "" {
		command["sessionId"] = b.session
	}
	data, err := json.Marshal(command)
	require.NoError(b.t, err)
	_, err = b.to.Write(append(data, 0))
	require.NoError(b.t, err)
	select {
	case m := <-answer:
		require.Empty(b.t, string(m.Error), method)
		return m.Result
	case <-time.After(time.Minute):
		require.FailNow(b.t, "the browser does not answer", method)
		return nil
	}
}

func (b *browser) decode(data json.RawMessage, v any) { require.NoError(b.t, json.Unmarshal(data, v)) }

// visit opens a page in a window of a size.
func (b *browser) visit(url string, width, height int, dark bool) {
	scheme := "light"
	if dark {
		scheme = "dark"
	}
	b.call("Emulation.setDeviceMetricsOverride", fields{"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600})
	b.call("Emulation.setEmulatedMedia", fields{"features": []fields{{"name": "prefers-color-scheme", "value": scheme}}})
	b.call("Page.navigate", fields{"url": url})
	b.wait(fmt.Sprintf(`location.href === %q && document.readyState === "complete"`, url))
}

// eval returns the value of an expression as text.
func (b *browser) eval(expression string) string {
	var r struct {
		Result           struct{ Value any }
		ExceptionDetails json.RawMessage
	}
	b.decode(b.call("Runtime.evaluate", fields{"expression": expression, "returnByValue": true}), &r)
	require.Empty(b.t, string(r.ExceptionDetails), expression)
	return fmt.Sprint(r.Result.Value)
}

// wait waits until an expression is true.
func (b *browser) wait(expression string) {
	b.t.Helper()
	deadline := time.Now().Add(time.Minute)
	for b.eval("!!("+expression+")") != "true" {
		if time.Now().After(deadline) {
			require.FailNow(b.t, "this does not come true", "%s\n%s", expression, b.eval("document.body.innerText"))
		}
		time.Sleep(50 * time.Millisecond) // the browser is another process
	}
}

// press presses a key.
func (b *browser) press(key string) {
	text := key
	if len(key) > 1 {
		text = ""
	}
	b.call("Input.dispatchKeyEvent", fields{"type": "keyDown", "key": key, "text": text})
	b.call("Input.dispatchKeyEvent", fields{"type": "keyUp", "key": key})
}

// picture returns what is seen, as a PNG.
func (b *browser) picture() []byte {
	var shot struct{ Data string }
	b.decode(b.call("Page.captureScreenshot", fields{"format": "png"}), &shot)
	data, err := base64.StdEncoding.DecodeString(shot.Data)
	require.NoError(b.t, err)
	return data
}

// noFaults fails if a script has failed, or the policy has refused something.
func (b *browser) noFaults() {
	b.mu.Lock()
	defer b.mu.Unlock()
	require.Empty(b.t, b.faults)
}
