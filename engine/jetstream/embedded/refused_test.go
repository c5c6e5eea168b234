package embedded_test

import (
	"crypto/tls"
	"os"
	"path/filepath"
	"testing"

	"github.com/nats-io/nats.go"
	natsjs "github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/engine"
	"github.com/resultpool/resultpool/engine/jetstream"
	"github.com/resultpool/resultpool/engine/jetstream/embedded"
)

// TestNoURL gives no address, as a program does whose environment lacks it: that is not
// a server on this machine.
func TestNoURL(t *testing.T) {
	for _, url := range []string{"", " ", ",", " , "} {
		_, err := jetstream.Open(t.Context(), url, "x", nil)
		assert.ErrorContains(t, err, "the address of the servers is empty, want nats://HOST:PORT", "%q", url)
	}
}

// TestUnescapedPasswords gives credentials with characters that an address cannot have as
// they are. Errors do not show them.
func TestUnescapedPasswords(t *testing.T) {
	for _, url := range []string{
		"nats://me:sec/ret@127.0.0.1:1", "nats://me:sec?ret@127.0.0.1:1", "nats://me:sec#ret@127.0.0.1:1",
		"nats://sec/ret@127.0.0.1:1", "nats://sec?ret@127.0.0.1:1", "nats://sec#ret@127.0.0.1:1",
		"nats://me:sec,ret@127.0.0.1:1", "nats://me:sec%zret@127.0.0.1:1",
		"me:sec@ret@127.0.0.1:1", "nats://me:sec ret@127.0.0.1:1", "nats://me:12/sec@127.0.0.1:1",
		"nats://127.0.0.1:1,nats://me:sec/ret@127.0.0.1:1",
	} {
		_, err := jetstream.Open(t.Context(), url, "x", nil)
		if assert.Error(t, err, url) {
			assert.NotContains(t, err.Error(), "sec", url)
			assert.NotContains(t, err.Error(), "ret", url)
		}
	}
}

func TestSpecialCharacters(t *testing.T) {
	for _, word := range []string{"ü:@/ %\"\\'{}\t\n#?&,", "$2a", "$JS", "null", "0"} {
		e, err := embedded.Open(t.Context(), newDir(t), "x", &embedded.Options{ServerOptions: embedded.ServerOptions{
			LosesOnPowerCut: true, User: word, Password: word,
		}})
		require.NoError(t, err, word)
		open(t, e.URL(), "x", &jetstream.Options{NATS: []nats.Option{nats.UserInfo(word, word)}})
		_, err = jetstream.Open(t.Context(), e.URL(), "x", nil)
		assert.ErrorIs(t, err, nats.ErrAuthorization)
		require.NoError(t, e.Close())
	}
}

func TestHashForPassword(t *testing.T) {
	_, err := embedded.Start(t.Context(), newDir(t), &embedded.ServerOptions{
		User: "me", Password: "$2a$11$Mkd/ZFp4vFxbvhXgvrVOQuXoXnLKD4UjhmzrMeNhHLHCRc5YYmyFa",
	})
	assert.ErrorContains(t, err, "bcrypt")
	if err != nil {
		assert.NotContains(t, err.Error(), "Mkd")
	}
}

func TestNoClientCAs(t *testing.T) {
	cert, _ := certificate(t)
	_, err := embedded.Start(t.Context(), newDir(t), &embedded.ServerOptions{Addr: "0.0.0.0:0", TLS: &tls.Config{
		Certificates: []tls.Certificate{cert}, ClientAuth: tls.RequireAndVerifyClientCert,
	}})
	assert.ErrorContains(t, err, "ClientCAs")
}

func TestSmallMaxPayload(t *testing.T) {
	for _, n := range []int{1, 100, 1000} {
		_, err := embedded.Open(t.Context(), newDir(t), "x", &embedded.Options{ServerOptions: embedded.ServerOptions{MaxPayload: n}})
		assert.ErrorContains(t, err, "MaxPayload is", "%d", n)
	}
}

func TestLeastMaxPayload(t *testing.T) {
	e, err := embedded.Open(t.Context(), newDir(t), "x", &embedded.Options{ServerOptions: embedded.ServerOptions{MaxPayload: 4 << 10, LosesOnPowerCut: true}})
	require.NoError(t, err)
	ids := push(t, e, "a", 3)
	_, err = e.Describe(t.Context(), "kind")
	require.NoError(t, err)
	ds := pull(t, e, 3)
	require.NoError(t, e.Save(t.Context(), []engine.Record{{ID: ids[0], Data: make([]byte, 3<<10)}}))
	require.NoError(t, e.Ack(t.Context(), ds))
	require.NoError(t, e.Close())
}

func TestStoreIsAFile(t *testing.T) {
	dir := newDir(t)
	require.NoError(t, os.Mkdir(dir, 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "jetstream"), nil, 0o600))
	_, err := embedded.Start(t.Context(), dir, nil)
	assert.ErrorContains(t, err, dir)
	assert.ErrorContains(t, err, "is not a directory")
}

// TestForeignSettings finds streams that lose tasks or results, or make others of them.
func TestForeignSettings(t *testing.T) {
	s := start(t, fast)
	_, js := client(t, s.URL())
	for _, test := range []struct {
		stream string
		change func(*natsjs.StreamConfig)
		want   string
	}{
		{"tasks", func(c *natsjs.StreamConfig) { c.Subjects = []string{"other"} }, `its subjects are ["other"], want`},
		{"tasks", func(c *natsjs.StreamConfig) { c.NoAck = true }, "it does not acknowledge"},
		{"tasks", func(c *natsjs.StreamConfig) { c.MaxMsgsPerSubject = 1 }, "it limits the tasks of a subject"},
		{"tasks", func(c *natsjs.StreamConfig) { c.MaxMsgs = -1 }, "it is not bounded"},
		{"results", func(c *natsjs.StreamConfig) { c.NoAck = true }, "it does not acknowledge"},
		{"results", func(c *natsjs.StreamConfig) { c.MaxMsgs = 3 }, "it discards old results"},
		{"results", func(c *natsjs.StreamConfig) { c.MaxBytes = 3000 }, "it discards old results"},
		{"results", func(c *natsjs.StreamConfig) { c.RePublish.HeadersOnly = true }, "it does not republish results as it has to"},
		{"results", func(c *natsjs.StreamConfig) { c.RePublish.Destination = "other.{{wildcard(1)}}" }, "it does not republish results as it has to"},
	} {
		name := newName()
		require.NoError(t, open(t, s.URL(), name, nil).Close())
		st, err := js.Stream(t.Context(), "resultpool_"+name+"_"+test.stream)
		require.NoError(t, err)
		conf := st.CachedInfo().Config
		require.NoError(t, js.DeleteStream(t.Context(), conf.Name))
		test.change(&conf)
		_, err = js.CreateStream(t.Context(), conf)
		require.NoError(t, err)
		_, err = jetstream.Open(t.Context(), s.URL(), name, as(s.URL(), nil))
		assert.ErrorContains(t, err, conf.Name+": "+test.want)
		require.NoError(t, js.DeleteStream(t.Context(), conf.Name))
	}
}

// TestForeignConsumer finds a consumer that delivers no tasks.
func TestForeignConsumer(t *testing.T) {
	s := start(t, fast)
	_, js := client(t, s.URL())
	name := newName()
	require.NoError(t, open(t, s.URL(), name, nil).Close())
	stream := "resultpool_" + name + "_tasks"
	c, err := js.Consumer(t.Context(), stream, "workers")
	require.NoError(t, err)
	conf := c.CachedInfo().Config
	conf.HeadersOnly = true
	_, err = js.UpdateConsumer(t.Context(), stream, conf)
	require.NoError(t, err)
	_, err = jetstream.Open(t.Context(), s.URL(), name, as(s.URL(), nil))
	assert.ErrorContains(t, err, "it delivers headers and no tasks")
}
