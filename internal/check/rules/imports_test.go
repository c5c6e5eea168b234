package rules

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// imports says what the packages may import beside the standard library. Packages of this repository
// are named by their folders. A path that ends in "..." stands for all that begin so; of several rules
// that match a package the longest holds.
var imports = map[string][]string{
	"pool": {
		"internal/queue", "internal/saver", "internal/remote", "internal/wire", "internal/deal", "internal/backoff",
		"internal/guard", "internal/text", "internal/errwalk", "engine", "store", "store/codec", "golang.org/x/sync/...",
	},
	"internal/backoff":   {},
	"internal/deal":      {},
	"internal/disktest":  {},
	"internal/errwalk":   {},
	"internal/kit...":    {"internal/kit"},
	"internal/naive":     {},
	"internal/directory": {},
	"internal/optional":  {"store"},
	"internal/queue":     {"internal/directory"},
	"internal/text":      {},
	"internal/guard":     {"store"},
	"internal/saver":     {"store", "internal/backoff", "internal/text"},
	"internal/remote":    {"engine", "internal/backoff", "internal/guard", "internal/text"},
	"internal/wire":      {"engine", "store", "store/codec", "internal/remote", "internal/saver", "internal/text"},

	"store":           {},
	"store/...":       {"store"}, // never another store
	"store/bolt":      {"store", "store/codec", "go.etcd.io/bbolt..."},
	"store/bounded":   {"store", "internal/guard", "internal/optional"},
	"store/codec":     {"store", "internal/text", "internal/errwalk"},
	"store/dense":     {"store", "internal/directory"},
	"store/storetest": {"store", "internal/kit", "internal/optional"},
	"store/xsync":     {"store", "github.com/puzpuzpuz/xsync/v3"},

	"engine":            {},
	"engine/enginetest": {"engine", "internal/kit"},
	// The client does not bring the server along.
	"engine/jetstream": {"engine", "engine/jetstream/internal/folder", "github.com/nats-io/nats.go...", "golang.org/x/sync/..."},
	"engine/jetstream/embedded": {
		"engine", "engine/jetstream", "engine/jetstream/internal/folder", "github.com/nats-io/...",
		"github.com/minio/highwayhash", "golang.org/x/sys/windows",
	},
	"engine/jetstream/internal/folder":          {},
	"engine/jetstream/embedded/internal/outage": {},
	"engine/jetstream/embedded/internal/rates":  {"pool", "engine", "engine/jetstream...", "github.com/nats-io/..."},

	// No other package imports it: who does not use it links no net/http.
	"monitor":          {"pool", "store", "internal/errwalk", "internal/guard", "internal/text"},
	"monitor/check":    {"monitor", "pool", "store...", "github.com/prometheus/..."},
	"monitor/otelpool": {"pool", "store", "internal/text", "go.opentelemetry.io/otel..."},

	// Users' programs: Go would let them import internal packages, a user's it would not.
	"examples/...": {
		"examples...", "engine...", "monitor", "pool", "store...", "github.com/nats-io/nats.go...",
		"github.com/schollz/progressbar/v3", "golang.org/x/term",
	},
	"examples":               {},
	"examples/internal/jobs": {"examples...", "go.uber.org/goleak"},
	"bench":                  {"..."},
	"bench/choose":           {"bench/choose/recorder", "store...", "github.com/...", "golang.org/x/term"},
	"bench/choose/recorder":  {"store", "internal/optional"},
	"bench/peers":            {"pool", "store...", "internal/naive", "bench/peers/behave", "github.com/...", "golang.org/x/...", "gonum.org/v1/plot..."},
	"bench/peers/behave":     {"pool", "store...", "engine/jetstream...", "github.com/...", "golang.org/x/...", "modernc.org/sqlite"},
	"bench/engines":          {"pool", "store", "engine/jetstream/embedded", "github.com/...", "golang.org/x/...", "gonum.org/v1/plot..."},
	"internal/check...":      {"..."},
	"tools":                  {"..."},
}

// notInTests says what tests may not import. Else they may import what lies above their package, as
// those of the pool do with the stores.
var notInTests = map[string][]string{
	"store...":          {"internal/queue", "internal/saver", "internal/remote", "internal/deal"},
	"examples/...":      {"internal/...", "bench..."},
	"internal/...":      {"pool"},
	"internal/check...": {},
	"internal/queue":    {"pool", "store..."},
}

// rule returns the entry of a table that holds for a package.
func rule(table map[string][]string, pkg string) (paths []string, ok bool) {
	longest := ""
	for pattern := range table {
		if matches(pattern, pkg) && len(pattern) > len(longest) {
			longest = pattern
		}
	}
	return table[longest], longest != ""
}

// matches tells whether a pattern of the tables stands for a path.
func matches(pattern, path string) bool {
	prefix, all := strings.CutSuffix(pattern, "...")
	return path == pattern || all && strings.HasPrefix(path, prefix)
}

// problems returns what is wrong with the imports of a file.
func problems(file string, imported ...string) (found []string) {
	pkg, test := path.Dir(file), strings.HasSuffix(file, "_test.go")
	allowed, ok := rule(imports, pkg)
	if !ok {
		return []string{pkg + " is in no rule: say in the table what it may import"}
	}
	forbidden, _ := rule(notInTests, pkg)
	for _, p := range imported {
		p, ours := strings.CutPrefix(p, module)
		if host, _, _ := strings.Cut(p, "/"); !ours && !strings.Contains(host, ".") {
			continue // the standard library
		}
		match := func(pattern string) bool { return matches(pattern, p) }
		bad := !slices.ContainsFunc(allowed, match) || strings.HasPrefix(p, "github.com/stretchr/testify")
		if test {
			bad = slices.ContainsFunc(forbidden, match)
		}
		if bad {
			found = append(found, file+" imports "+p)
		}
	}
	return found
}

// TestImports reads every Go file of the repository, whatever system it is for and whatever module it is in.
func TestImports(t *testing.T) {
	files := 0
	require.NoError(t, fs.WalkDir(repository, ".", func(name string, _ fs.DirEntry, err error) error {
		if err != nil || path.Ext(name) != ".go" || strings.HasPrefix(name, ".") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), root+name, nil, parser.ImportsOnly)
		require.NoError(t, err)
		var imported []string
		for _, spec := range file.Imports {
			imported = append(imported, strings.Trim(spec.Path.Value, "\"`"))
		}
		assert.Empty(t, problems(name, imported...))
		files++
		return nil
	}))
	assert.Greater(t, files, 200)
}

// TestImportsBite plants imports that break a rule.
func TestImportsBite(t *testing.T) {
	for _, wrong := range []struct{ file, imports string }{
		{"pool/pool.go", module + "store/dense"},
		{"pool/pool.go", "github.com/stretchr/testify/assert"},
		{"bench/x.go", "github.com/stretchr/testify/assert"},
		{"store/store.go", module + "internal/text"},
		{"store/dense/dense.go", module + "store/rwmutex"},
		{"engine/jetstream/x.go", "github.com/nats-io/nats-server/v2/server"},
		{"internal/remote/x.go", module + "store"},
		{"internal/saver/x_test.go", module + "pool"},
		{"pool/pool.go", module + "monitor"},
		{"engine/jetstream/x.go", module + "monitor"},
		{"anew/anew.go", "context"},
	} {
		assert.NotEmpty(t, problems(wrong.file, wrong.imports), "%s may import %s", wrong.file, wrong.imports)
	}
}
