package cookbook_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestDocument: the code that docs/cookbook.md shows is in the files of this package, line by line, and each example
// has its recipe. The document lies outside this module, where go test does not look for changes before it repeats an
// old verdict: give it -count=1.
func TestDocument(t *testing.T) {
	document := readText(t, "../../docs/cookbook.md")
	files, err := filepath.Glob("*.go")
	require.NoError(t, err)
	source := ""
	for _, name := range files {
		source += readText(t, name)
	}
	blocks := regexp.MustCompile("(?ms)^```go\n(.*?)^```$").FindAllStringSubmatch(document, -1)
	examples := regexp.MustCompile(`(?m)^func (Example_\w+)\(`).FindAllStringSubmatch(source, -1)
	require.NotEmpty(t, blocks)
	for _, block := range blocks {
		assert.True(t, shows(source, block[1]), "no file has this:\n%s", block[1])
	}
	require.NotEmpty(t, examples)
	for _, example := range examples {
		assert.Contains(t, document, "`"+example[1]+"`")
	}
}

// shows tells whether source has the lines of block, with the same number of tabs before each that is not empty.
func shows(source, block string) bool {
	for range 4 {
		if strings.Contains("\n"+source, "\n"+block) {
			return true
		}
		block = regexp.MustCompile(`(?m)^.`).ReplaceAllString(block, "\t$0")
	}
	return false
}

func TestDocumentBites(t *testing.T) {
	source := "func f() {\n\tif a {\n\t\tb()\n\n\t\tc()\n\t}\n}\n"
	for _, right := range []string{source, "if a {\n\tb()\n\n\tc()\n}\n", "b()\n\nc()\n"} {
		assert.True(t, shows(source, right), right)
	}
	for _, wrong := range []string{"if a {\nb()\n", "b()\nc()\n", "a {\n", "d()\n"} {
		assert.False(t, shows(source, wrong), wrong)
	}
}

func readText(t *testing.T, name string) string {
	text, err := os.ReadFile(name)
	require.NoError(t, err)
	return strings.ReplaceAll(string(text), "\r\n", "\n")
}
