package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestAppendLine(t *testing.T) {
	const zeros = "0000000000000000000000000000000000000000000000000000000000000000"
	for _, tt := range []struct{ path, want string }{
		{"./a", zeros + "  ./a\n"},
		{" a\tb'\"*", zeros + "   a\tb'\"*\n"},
		{"not UTF-8: \xff", zeros + "  not UTF-8: \xff\n"},
		{`back\slash`, `\` + zeros + `  back\\slash` + "\n"},
		{"new\nline", `\` + zeros + `  new\nline` + "\n"},
		{"carriage\rreturn", `\` + zeros + `  carriage\rreturn` + "\n"},
		{"\\n\n", `\` + zeros + `  \\n\n` + "\n"},
	} {
		assert.Equal(t, tt.want, string(appendLine(nil, hashed{path: tt.path})))
	}
}

func TestSummary(t *testing.T) {
	for _, tt := range []struct {
		want  string
		files int
		out   outcome
		took  time.Duration
	}{
		{"1234 files, 5.6 GB in 3.2s (1.8 GB/s): 1230 done, 4 failed, 0 not run", 1234,
			outcome{done: make([]hashed, 1230), failed: make([]failure, 4), bytes: 5_600_000_000}, 3200 * time.Millisecond},
		{"1 file, 1 B in 1.0s (1 B/s): 1 done, 0 failed, 0 not run", 1,
			outcome{done: make([]hashed, 1), bytes: 1}, time.Second},
		{"0 files, 0 B in 0.0s: 0 done, 0 failed, 0 not run", 0, outcome{}, 0},
		{"9 files, 0 B in 2h3m4s: 0 done, 0 failed, 9 not run", 9,
			outcome{notRun: 9}, 2*time.Hour + 3*time.Minute + 3600*time.Millisecond},
	} {
		assert.Equal(t, tt.want, summary(tt.files, tt.out, tt.took))
	}
}

func TestSize(t *testing.T) {
	for _, tt := range []struct {
		n    float64
		want string
	}{
		{0, "0 B"}, {999, "999 B"}, {999.6, "1.0 kB"}, {1000, "1.0 kB"}, {1049, "1.0 kB"}, {1050, "1.1 kB"},
		{999_949, "999.9 kB"}, {999_950, "1.0 MB"}, {1 << 30, "1.1 GB"}, {1 << 40, "1.1 TB"}, {1e15, "1.0 PB"},
		{1 << 63, "9.2 EB"}, {1e22, "10000.0 EB"},
	} {
		assert.Equal(t, tt.want, size(tt.n))
	}
}

func TestDuration(t *testing.T) {
	assert.Equal(t, "0.0s", duration(49*time.Millisecond))
	assert.Equal(t, "59.9s", duration(59_900*time.Millisecond))
	assert.Equal(t, "1m0s", duration(time.Minute))
}

// What is printed of a path must not be able to change the terminal, or look
// like another line.
func TestPrintable(t *testing.T) {
	for path, want := range map[string]string{
		"dir/with space": "dir/with space",
		"ünïcødé":        "ünïcødé",
		"":               `""`,
		"a\nb":           `"a\nb"`,
		"\x1b[31m":       `"\x1b[31m"`,
		"\xff":           `"\xff"`,
		"\u202etxt.exe":  `"\u202etxt.exe"`, // would be shown backwards
		`back\slash "q"`: `back\slash "q"`,
	} {
		assert.Equal(t, want, printable(path))
	}
}
