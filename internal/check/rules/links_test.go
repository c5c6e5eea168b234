package rules

import (
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var (
	link     = regexp.MustCompile(`\]\(([^)\s]+)\)|^\[[^\]]+\]:\s+(\S+)`)
	labels   = regexp.MustCompile(`\[[^\]]+\]\[([^\]]+)\]`)
	heading  = regexp.MustCompile(`^#+ (.*)`)
	codeSpan = regexp.MustCompile("`[^`]*`")
	noAnchor = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
)

// documents returns the names of all documents.
func documents(t *testing.T) (names []string) {
	require.NoError(t, fs.WalkDir(repository, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err == nil && d.IsDir() && (d.Name() == "testdata" || d.Name() == ".git" || d.Name() == "bin"):
			return fs.SkipDir
		case err == nil && path.Ext(name) == ".md":
			names = append(names, name)
		}
		return err
	}))
	require.Contains(t, names, "README.md")
	require.Contains(t, names, "docs/cookbook.md")
	return names
}

// prose yields the lines of a document that are not code.
func prose(text string) (lines []string) {
	inCode := false
	for line := range strings.Lines(text) {
		if strings.HasPrefix(strings.TrimSpace(line), "```") {
			inCode = !inCode
		} else if !inCode {
			lines = append(lines, strings.TrimSuffix(line, "\n"))
		}
	}
	return lines
}

// anchors returns the names under which the headings of a document can be linked, as GitHub makes them.
func anchors(text string) (names []string) {
	for _, line := range prose(text) {
		if m := heading.FindStringSubmatch(line); m != nil {
			name := strings.ReplaceAll(noAnchor.ReplaceAllString(strings.ToLower(m[1]), ""), " ", "-")
			for n, first := 1, name; slices.Contains(names, name); n++ {
				name = fmt.Sprintf("%s-%d", first, n)
			}
			names = append(names, name)
		}
	}
	return names
}

// badLinks returns the links of a document to files, headings, packages and exported names of this repository that are not
// there, and labels without a link. What other addresses show is not looked at.
func badLinks(document, text string) (bad []string) {
	defined := ""
	for _, line := range prose(text) {
		line = codeSpan.ReplaceAllString(line, "`")
		for _, m := range link.FindAllStringSubmatch(line, -1) {
			if to := m[1] + m[2]; !linked(document, text, to) {
				bad = append(bad, to)
			}
			if m[2] != "" {
				defined += line[:strings.Index(line, ":")]
			}
		}
	}
	for _, m := range labels.FindAllStringSubmatch(strings.Join(prose(text), "\n"), -1) {
		if !strings.Contains(defined, "["+m[1]+"]") {
			bad = append(bad, "["+m[1]+"]")
		}
	}
	return bad
}

func linked(document, text, to string) bool {
	const docs = "https://pkg.go.dev/" + module
	switch {
	case strings.HasPrefix(to, docs):
		pkg, name, _ := strings.Cut(strings.TrimPrefix(to, docs), "#")
		return declares(pkg, name)
	case strings.Contains(to, "://"):
		return true
	}
	file, anchor, _ := strings.Cut(to, "#")
	if file != "" {
		file = path.Join(path.Dir(document), file)
		data, err := fs.ReadFile(repository, file)
		if info, isDir := fs.Stat(repository, file); err != nil && (isDir != nil || !info.IsDir()) {
			return false
		}
		text = string(data)
	}
	return anchor == "" || slices.Contains(anchors(text), anchor)
}

// declares tells whether a package has what an anchor of its documentation names: Name, Type.Method, pkg-examples,
// example-Name or example-Type.Method.
func declares(pkg, anchor string) bool {
	files, err := fs.Glob(repository, pkg+"/*.go")
	if err != nil || len(files) == 0 {
		return false
	}
	source := ""
	for _, file := range files {
		data, _ := fs.ReadFile(repository, file)
		source += string(data)
	}
	if anchor == "" {
		return true
	}
	if anchor == "pkg-examples" {
		return strings.Contains(source, "\nfunc Example")
	}
	if example, ok := strings.CutPrefix(anchor, "example-"); ok {
		return strings.Contains(source, "\nfunc Example"+strings.NewReplacer(".", "_", "-", "_").Replace(example))
	}
	pattern := `(?m)^(func|type|var|const|\t)\s*` + anchor + `\b`
	if typ, method, ok := strings.Cut(anchor, "."); ok {
		pattern = `(?m)^func \(\w+ \*?` + typ + `\b.*\) ` + method + `\(|^\t` + method + `\b`
	}
	return regexp.MustCompile(pattern).MatchString(source)
}

// TestLinks: what the documents link to in this repository is there.
func TestLinks(t *testing.T) {
	for _, name := range documents(t) {
		assert.Empty(t, badLinks(name, read(t, name)), name)
	}
}

func TestLinksBite(t *testing.T) {
	for _, good := range []string{
		"[a](docs/design.md)", "[a](docs)", "[a](docs/cookbook.md#results-as-they-end)", "# A `b`: c\n[a](#a-b-c)", "`[a](gone.md)`",
		"[a][b]\n\n[b]: https://pkg.go.dev/" + module + "pool#Pool.Get", "```\n[a](gone.md)\n```", "[a](https://go.dev/)",
	} {
		assert.Empty(t, badLinks("README.md", good), good)
	}
	for _, wrong := range []string{
		"[a](gone.md)", "[a](design.md)", "[a](docs/cookbook.md#gone)", "[a](#gone)", "[a][b]", "[a](https://pkg.go.dev/" + module + "gone)",
		"[a]: https://pkg.go.dev/" + module + "pool#Gone", "[a](https://pkg.go.dev/" + module + "pool#Pool.Gone)",
		"[a](https://pkg.go.dev/" + module + "pool#example-Pool.Gone)",
	} {
		assert.Len(t, badLinks("README.md", wrong), 1, wrong)
	}
}
