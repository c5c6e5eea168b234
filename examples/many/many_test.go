// Package many tests the programs in its folders, and what docs/many-machines.md says.
package many

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/engine/jetstream"
	"github.com/resultpool/resultpool/engine/jetstream/embedded"
)

var programs = []string{"memory", "embedded", "jetstream"}

// read returns a file with Unix's ends of lines.
func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	require.NoError(t, err)
	return strings.ReplaceAll(string(text), "\r\n", "\n")
}

func page(t *testing.T) string { t.Helper(); return read(t, "../../docs/many-machines.md") }

// code returns the lines of a program below its imports.
func code(t *testing.T, program string) []string {
	t.Helper()
	_, text, found := strings.Cut(read(t, program+"/main.go"), "\n)\n")
	require.True(t, found, "no imports")
	return strings.Split(text, "\n")
}

func TestProgramsDifferInOneLine(t *testing.T) {
	shows := func(code string) {
		_, _, found := strings.Cut(page(t), "```go\n"+code)
		assert.True(t, found, "the page does not show\n%s", code)
	}
	first := code(t, programs[0])
	main, _, found := strings.Cut(strings.Join(first, "\n"), "\n}\n")
	require.True(t, found)
	shows(strings.TrimPrefix(main, "\n") + "\n}\n```\n")
	for _, program := range programs {
		lines := code(t, program)
		require.Len(t, lines, len(first), program)
		differ := 0
		for i, line := range lines {
			if strings.HasPrefix(line, "\tp := ") {
				differ++
				shows("   " + strings.TrimSpace(line) + "\n   ```\n")
			} else {
				assert.Equal(t, first[i], line, "%s, line %d below the imports", program, i)
			}
		}
		assert.Equal(t, 1, differ, program)
	}
}

func TestProgramsDoTheSame(t *testing.T) {
	bin := t.TempDir()
	out, err := exec.Command("go", "build", "-o", bin+string(os.PathSeparator), "./...").CombinedOutput()
	require.NoError(t, err, "%s", out)
	s, err := embedded.Start(t.Context(), filepath.Join(t.TempDir(), "server"), &embedded.ServerOptions{User: "me", Password: "secret"})
	require.NoError(t, err)
	defer s.Close()
	url := "nats://me:secret@" + strings.TrimPrefix(s.URL(), "nats://")
	t.Chdir(t.TempDir())
	require.NoError(t, os.WriteFile("a.txt", []byte("what they count is words\n"), 0o666))
	require.NoError(t, os.WriteFile("b.txt", []byte("all three"), 0o666))

	for _, program := range programs {
		for range 2 { // the second finds what the first has left
			file := filepath.Join(bin, program)
			if runtime.GOOS == "windows" {
				file += ".exe"
			}
			count := func(files ...string) (string, error) {
				cmd := exec.Command(file, files...)
				cmd.Env = append(os.Environ(), "NATS_URL="+url)
				out, err := cmd.Output()
				return string(out), err
			}
			out, err := count("a.txt", "b.txt")
			require.NoError(t, err, program)
			assert.Equal(t, "5 a.txt\n2 b.txt\n", out, program)

			out, err = count("a.txt", "gone.txt")
			var exit *exec.ExitError
			require.ErrorAs(t, err, &exit, program)
			assert.Equal(t, "5 a.txt\n", out, program)
			assert.Contains(t, string(exit.Stderr), "gone.txt", program)
		}
	}
}

// permissions returns what the rows of the page's tables allow for a pool.
func permissions(t *testing.T, name string, want func(purpose string) bool) *server.Permissions {
	t.Helper()
	perms := &server.Permissions{Publish: &server.SubjectPermission{}, Subscribe: &server.SubjectPermission{}}
	var table *server.SubjectPermission
	quoted := regexp.MustCompile("`([^`]+)`")
	rows := 0
	for line := range strings.Lines(page(t)) {
		cells := strings.Split(line, "|")
		switch {
		case strings.HasPrefix(line, "| may publish to |"):
			table = perms.Publish
		case strings.HasPrefix(line, "| may subscribe to |"):
			table = perms.Subscribe
		case len(cells) != 4:
			table = nil
		case table != nil && want(strings.TrimSpace(cells[2])):
			for _, subject := range quoted.FindAllStringSubmatch(cells[1], -1) {
				table.Allow = append(table.Allow, strings.ReplaceAll(subject[1], "NAME", name))
			}
			rows++
		}
	}
	require.Greater(t, rows, 3, "the page has no such tables")
	return perms
}

// startServer starts a server for users with these permissions. The password is p.
func startServer(t *testing.T, users map[string]*server.Permissions) (url string) {
	t.Helper()
	opts := &server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true, StoreDir: t.TempDir(), NoLog: true, NoSigs: true}
	for name, perms := range users {
		opts.Users = append(opts.Users, &server.User{Username: name, Password: "p", Permissions: perms})
	}
	s, err := server.NewServer(opts)
	require.NoError(t, err)
	s.Start()
	t.Cleanup(func() {
		s.Shutdown()
		s.WaitForShutdown()
	})
	require.True(t, s.ReadyForConnections(10*time.Second))
	return s.ClientURL()
}

// openAs opens the pool "p" as a user. The inboxes are the user's own.
func openAs(t *testing.T, url, user string) *jetstream.Engine {
	t.Helper()
	var violated error
	eng, err := jetstream.Open(t.Context(), url, "p", &jetstream.Options{Lease: time.Second, NATS: []nats.Option{
		nats.UserInfo(user, "p"),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { violated = errors.Join(violated, err) }),
	}})
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, eng.Close())
		assert.NoError(t, violated, "as %s", user)
	})
	return eng
}
