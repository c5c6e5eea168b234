// Package jobs tests programs that take jobs over HTTP, and look hosts up.
package jobs

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/resultpool/resultpool/examples/internal/process"
)

// Main is TestMain. In a process of Start it runs the program, whose main is given, and looks for goroutines that are
// left.
func Main(m *testing.M, program func()) {
	if _, isProcess := process.Mode(); !isProcess {
		goleak.VerifyTestMain(m)
		return
	}
	log.SetFlags(0)
	lookUpHere()
	before := goleak.IgnoreCurrent()
	program()
	if err := goleak.Find(before); err != nil {
		log.Fatal(err)
	}
	os.Exit(0)
}

// A Program is one that runs.
type Program struct {
	*process.Process
	URL    string
	client *http.Client
}

// Start starts the program with these arguments, and waits until it listens.
func Start(t testing.TB, args ...string) *Program {
	t.Helper()
	const listening = "listening at "
	p := &Program{Process: process.New(t, "", append([]string{"-addr", "127.0.0.1:0"}, args...)...)}
	p.Begin(t)
	t.Cleanup(func() {
		if p.ProcessState == nil {
			_ = p.Process.Process.Kill()
			p.AwaitEnd()
		}
	})
	p.Await(t, listening)
	p.URL = "http://" + strings.TrimSpace(p.Said[strings.LastIndex(p.Said, listening)+len(listening):])
	p.client = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 30 * time.Second}
	return p
}

// Do makes a request, and follows redirects.
func (p *Program) Do(t testing.TB, method, url, body string) (status int, header http.Header, text string) {
	t.Helper()
	status, header, text, err := p.do(t.Context(), method, url, body)
	if err != nil {
		t.Fatalf("%v\n%s", err, p.Said)
	}
	return status, header, text
}

func (p *Program) do(ctx context.Context, method, url, body string) (status int, header http.Header, text string, err error) {
	req, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return 0, nil, "", err
	}
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	resp, err := p.client.Do(req)
	if err != nil {
		return 0, nil, "", err
	}
	defer resp.Body.Close()
	all, err := io.ReadAll(resp.Body)
	return resp.StatusCode, resp.Header, string(all), err
}

// Post posts a job, and returns its path.
func (p *Program) Post(t testing.TB, host string) (job string) {
	t.Helper()
	job, err := p.TryPost(t.Context(), host)
	if err != nil {
		t.Fatalf("%v\n%s", err, p.Said)
	}
	return job
}

// TryPost is Post for a program that may end.
func (p *Program) TryPost(ctx context.Context, host string) (job string, err error) {
	status, header, text, err := p.do(ctx, http.MethodPost, p.URL+"/jobs", "host="+url.QueryEscape(host))
	if err == nil && (status != http.StatusAccepted || header.Get("Location") == "") {
		err = fmt.Errorf("the job of %s: %d %q", host, status, text)
	}
	return header.Get("Location"), err
}

// Get returns the status and the text of what is at the path of a job.
func (p *Program) Get(t testing.TB, job string) string {
	t.Helper()
	status, _, text := p.Do(t, http.MethodGet, p.URL+job, "")
	return fmt.Sprint(status, " ", text)
}

// AwaitGet gets the path of a job again and again, until what is there matches a pattern.
func (p *Program) AwaitGet(t testing.TB, job, pattern string) {
	t.Helper()
	got, want := "", regexp.MustCompile("^"+pattern+"$")
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if got = p.Get(t, job); want.MatchString(got) {
			return
		}
	}
	t.Fatalf("%s: %q, and never %q", job, got, pattern)
}
