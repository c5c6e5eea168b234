package rules

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestReadme: the first page stays short, and its figures are rows of the pages that are made from measurements.
func TestReadme(t *testing.T) {
	readme := read(t, "README.md")
	assert.LessOrEqual(t, strings.Count(readme, "\n"), 150, "lines of README.md")
	measured := read(t, "docs/benchmarks.md") + read(t, "docs/choosing-a-store.md")
	_, after, ok := strings.Cut(readme, "<!-- /behaviours -->\n") // bench/peers looks at the rows before
	require.True(t, ok)
	figures := 0
	for _, line := range prose(after) {
		if regexp.MustCompile(`^\|.*\| *[0-9]`).MatchString(line) {
			figures++
			assert.True(t, strings.Contains(measured, "\n"+line+"\n"), line) //nolint:testifylint // Contains prints the pages
		}
	}
	assert.GreaterOrEqual(t, figures, 4)
	text := strings.Join(strings.Fields(after), " ")
	for _, said := range append(regexp.MustCompile(`[0-9.]+× (?:faster|slower)`).FindAllString(text, -1), "does not matter") {
		assert.True(t, strings.Contains(measured, said), said) //nolint:testifylint // Contains prints the pages
	}
	for _, said := range regexp.MustCompile(`From tasks of \S+ \S+ on, the choice of a pool by speed does not matter if they compute`).FindAllString(text, -1) {
		assert.True(t, strings.Contains(measured, said), said) //nolint:testifylint // as above
	}
}

// TestDurabilityRates: the rates in the table of docs/durability.md are the medians of the raw figures.
func TestDurabilityRates(t *testing.T) {
	raw := read(t, "docs/durability.txt")
	table := read(t, "docs/durability.md")
	rates := make(map[string][]float64)
	for _, m := range regexp.MustCompile(`(?m)^BenchmarkDurable/way=(\w+)-\d+.*?([0-9.]+) results/s`).FindAllStringSubmatch(raw, -1) {
		rate, err := strconv.ParseFloat(m[2], 64)
		require.NoError(t, err)
		rates[m[1]] = append(rates[m[1]], rate)
	}
	require.Len(t, rates, 5)
	for way, all := range rates {
		slices.Sort(all)
		n := len(all)
		var cells []string
		for _, rate := range []float64{(all[(n-1)/2] + all[n/2]) / 2, all[0], all[n-1]} {
			digits := strconv.FormatFloat(rate, 'e', 2, 64)
			rounded, err := strconv.ParseFloat(digits, 64)
			require.NoError(t, err)
			cells = append(cells, grouped(int(rounded)))
		}
		row := fmt.Sprintf("| %s | %s to %s |", cells[0], cells[1], cells[2])
		assert.True(t, strings.Contains(table, row), "docs/durability.md has no %s of way=%s", row, way) //nolint:testifylint // Contains prints the page
	}
}

// grouped writes a number with a comma before each three digits.
func grouped(n int) string {
	if n < 1000 {
		return strconv.Itoa(n)
	}
	return fmt.Sprintf("%s,%03d", grouped(n/1000), n%1000)
}
