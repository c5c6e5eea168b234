package embedded_test

import (
	"flag"
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/engine/enginetest"
	"github.com/resultpool/resultpool/engine/jetstream"
)

var withCluster = flag.Bool("cluster", false, "check the contract on three servers with three replicas, for a minute")

// TestCluster checks the contract on a cluster of three servers, with three replicas, where
// each handle is connected to any of them.
func TestCluster(t *testing.T) {
	if !*withCluster {
		t.Skip("SKIPPED: the contract on three servers takes a minute: go test -run=TestCluster -cluster")
	}
	urls := startCluster(t)
	opts := jetstream.Options{Replicas: 3}
	enginetest.Run(t, func(tb testing.TB) enginetest.Subject {
		opts := opts
		return subject(tb, strings.Join(urls, ","), &opts)
	})
}

// startCluster starts three servers, and returns their addresses when they have a leader.
func startCluster(tb testing.TB) []string {
	tb.Helper()
	var addrs []string
	for range 6 {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(tb, err)
		defer func() { _ = listener.Close() }()
		addrs = append(addrs, listener.Addr().String())
		require.NoError(tb, listener.Close())
	}
	clients, routes := addrs[:3], addrs[3:]
	if _, err := serverProgram(); err != nil {
		tb.Skipf("SKIPPED: nats-server cannot be built: %v", err)
	}
	builtServer.Store(true)
	var urls []string
	for i, addr := range clients {
		dir := tb.TempDir()
		s := &standalone{url: "nats://" + addr, config: filepath.Join(dir, "server.conf")}
		s.configure(tb,
			"server_name: s"+strconv.Itoa(i),
			"listen: "+strconv.Quote(addr),
			"jetstream { store_dir: "+strconv.Quote(filepath.ToSlash(dir))+" }",
			fmt.Sprintf("cluster { name: c, listen: %q, routes: [ %q, %q, %q ] }", routes[i],
				"nats://"+routes[0], "nats://"+routes[1], "nats://"+routes[2]),
		)
		s.start(tb)
		tb.Cleanup(s.kill)
		urls = append(urls, s.url)
	}
	_, js := client(tb, urls[0])
	eventually(tb, func() error {
		_, err := js.AccountInfo(tb.Context())
		return err
	})
	return urls
}
