//go:build unix

package outage

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"strconv"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/engine/jetstream/embedded"
)

// serveEmbedded is the server of package embedded, in a program that has no pool.
func (p part) serveEmbedded(ctx context.Context) {
	s, err := embedded.Start(ctx, p.Dir, &embedded.ServerOptions{Addr: p.Listen, LosesOnPowerCut: p.NoSync, User: "outage", Password: "outage"})
	if err != nil {
		fail(err)
	}
	say("ready")
	<-ctx.Done()
	s.Close()
}

// serveNode is one of three servers. It is the real server, as its own program starts it,
// without an embedded engine's choices. It syncs now and then only: what a killed process
// has written is not lost, and against power cuts a node has the others.
func (p part) serveNode(ctx context.Context) {
	host, port := split(p.Listen)
	routeHost, routePort := split(p.Route)
	opts := &server.Options{
		ServerName: p.Name, Host: host, Port: port,
		JetStream: true, StoreDir: p.Dir,
		Cluster: server.ClusterOpts{Name: "outage", Host: routeHost, Port: routePort, PingInterval: p.Ping},
		NoSigs:  true,
	}
	for _, r := range p.Routes {
		opts.Routes = append(opts.Routes, &url.URL{Scheme: "nats-route", Host: r})
	}
	s, err := server.NewServer(opts)
	if err != nil {
		fail(err)
	}
	s.ConfigureLogger() // to standard error, of which the test shows the end if it fails
	s.Start()
	if !s.ReadyForConnections(patience) {
		fail(errors.New("the server does not get ready"))
	}
	say("ready")
	<-ctx.Done()
	s.Shutdown()
	s.WaitForShutdown()
}

func split(hostPort string) (host string, port int) {
	host, text, err := net.SplitHostPort(hostPort)
	if err == nil {
		port, err = strconv.Atoi(text)
	}
	if err != nil {
		fail(err)
	}
	return host, port
}

// ---- of the test --------------------------------------------------------------

// embedded starts the embedded server, on a folder and a port of its own.
func (s *site) embedded() *process {
	s.t.Helper()
	return s.embeddedOn(filepath.Join(s.dir, "server"), false)
}

func (s *site) embeddedOn(dir string, noSync bool) *process {
	s.t.Helper()
	listen := fmt.Sprintf("127.0.0.1:%d", freePort(s.t))
	s.url = "nats://outage:outage@" + listen
	pr := s.start("server", part{Role: "embedded", Dir: dir, Listen: listen, NoSync: noSync})
	pr.awaitReady()
	return pr
}

// three starts three servers, that keep everything three times.
func (s *site) three() []*process {
	s.t.Helper()
	hosts := []string{"127.0.0.1", "127.0.0.1", "127.0.0.1"}
	return s.nodes(hosts)
}

// nodes starts servers that listen on these hosts, and waits until they work together.
func (s *site) nodes(hosts []string) []*process {
	s.t.Helper()
	s.replicas = len(hosts)
	var parts []part
	var routes []string
	for i, host := range hosts {
		name := fmt.Sprintf("node%d", i+1)
		parts = append(parts, part{
			Role: "node", Name: name, Dir: filepath.Join(s.dir, name),
			Listen: fmt.Sprintf("%s:%d", host, freePort(s.t)),
			Route:  fmt.Sprintf("%s:%d", host, freePort(s.t)),
			Ping:   s.ping,
		})
		routes = append(routes, parts[i].Route)
		if i > 0 {
			s.url += ","
		}
		s.url += "nats://" + parts[i].Listen
	}
	var nodes []*process
	for _, p := range parts {
		p.Routes = routes
		nodes = append(nodes, s.start(p.Name, p))
	}
	for _, node := range nodes {
		node.awaitReady()
	}
	s.join() // once this has worked, there are three replicas
	return nodes
}

// leader returns that of some servers which leads the queue now.
func (s *site) leader(nodes []*process) *process {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	nc, err := nats.Connect(s.url)
	require.NoError(s.t, err)
	defer nc.Close()
	js, err := jetstream.New(nc)
	require.NoError(s.t, err)
	for {
		streams := js.ListStreams(ctx)
		for info := range streams.Info() {
			if info.Config.Retention != jetstream.WorkQueuePolicy || info.Cluster == nil {
				continue
			}
			for _, node := range nodes {
				if node.part.Name == info.Cluster.Leader {
					s.log("%s leads stream %s, of which there are %d replicas", node.name, info.Config.Name, info.Config.Replicas)
					require.Equal(s.t, s.replicas, info.Config.Replicas)
					return node
				}
			}
		}
		require.NoError(s.t, ctx.Err(), "nobody leads the queue")
		time.Sleep(askAgain)
	}
}
