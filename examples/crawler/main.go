// Crawler visits web pages and those that they link to, and prints each as soon as it is done:
//
//	crawler [-depth N] [-pages N] [-per-host N] URL...
//
// What may pass is tried again, after pauses that grow: a connection that fails, too many requests, an error of the
// server. Ctrl-C ends the crawl. Redirects are followed at once, also to other hosts, and robots.txt is not read: ask
// those whose pages you crawl.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"html"
	"io"
	"log"
	"net/http"
	"net/url"
	"os/signal"
	"regexp"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store/dense"
)

// A page is a task, and with the number of its links it is the result.
type page struct {
	*url.URL
	depth, links int // how many links lead to it, and how many it has
}

type crawler struct {
	*pool.Pool[page, page]
	client       http.Client
	depth, pages int
	seen         sync.Map     // the URLs that were submitted, or would have been one too many,
	count        atomic.Int64 // and how many they are
}

func main() {
	c := &crawler{client: http.Client{Timeout: time.Minute}}
	flag.IntVar(&c.depth, "depth", 2, "how many links to follow, one after the other")
	flag.IntVar(&c.pages, "pages", 100, "how many pages to visit at most")
	perHost := flag.Int("per-host", 2, "how many pages of one host to visit at once")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)

	// Queue has room for all that is ever submitted: a task that submits others cannot wait for it.
	opts := &pool.Options{Workers: 32, PerKey: *perHost, Queue: c.pages}
	var err error
	c.Pool, err = pool.NewKeyed(ctx, pool.Retry(c.visit, pool.Backoff{}), page.Hostname, dense.New[page](), opts)
	for i := range max(1, flag.NArg()) { // without arguments "" is a bad one
		seed, bad := url.ParseRequestURI(flag.Arg(i))
		if err = errors.Join(err, bad); err == nil {
			err = c.submit(ctx, page{URL: seed})
		}
	}
	if err != nil {
		log.Fatal(err)
	}
	// Wait, since tasks submit tasks, and Stop refuses these.
	go func() { _, _ = c.Wait(ctx), c.Stop(ctx); stop() }()
	for res, err := range c.Finished(context.Background()) {
		if err = errors.Join(err, res.Err); err != nil {
			log.Printf("%v: %v", res.Value.URL, err)
		} else {
			fmt.Printf("%v: %d links\n", res.Value.URL, res.Value.links)
		}
	}
	if err := c.Stop(context.Background()); err != nil {
		log.Fatal(err)
	}
}

// submit has a page visited, once, if it is not one too many.
func (c *crawler) submit(ctx context.Context, p page) (err error) {
	if _, known := c.seen.LoadOrStore(p.String(), true); !known && c.count.Add(1) <= int64(c.pages) {
		_, err = c.Submit(ctx, p)
	}
	return err
}

// visit is the function of the tasks.
func (c *crawler) visit(ctx context.Context, p page) (page, error) {
	resp, err := c.client.Do((&http.Request{URL: p.URL}).WithContext(ctx))
	if err != nil {
		return p, err
	}
	defer resp.Body.Close()
	switch {
	case resp.StatusCode == http.StatusTooManyRequests, resp.StatusCode >= 500:
		return p, errors.New(resp.Status)
	case resp.StatusCode != http.StatusOK:
		return p, pool.Permanent(errors.New(resp.Status))
	}
	text, err := io.ReadAll(io.LimitReader(resp.Body, 10<<20))
	for _, match := range href.FindAllStringSubmatch(string(text), -1) {
		link, bad := resp.Request.URL.Parse(html.UnescapeString(match[1]))
		if p.links++; bad == nil && link.Host != "" && p.depth < c.depth {
			err = errors.Join(err, c.submit(ctx, page{URL: link, depth: p.depth + 1}))
		}
	}
	return p, err
}

// href finds links that are written as most are. A parser, as golang.org/x/net/html, would find all.
var href = regexp.MustCompile(`(?i)<a\s[^>]*href\s*=\s*["']([^"'#]+)`)
