package check

import (
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// scrape returns what Prometheus gets.
func scrape(t *testing.T, url string) (text string, format expfmt.Format) {
	resp, err := http.Get(url + "metrics")
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return string(body), expfmt.ResponseFormat(resp.Header)
}

// Prometheus' parser takes what is served, whatever the names are, and finds every pool under its own.
func TestPrometheusParses(t *testing.T) {
	m, url := serve(t, nil)
	names := []string{"plain", hostile, `back\slash "quotes"` + "\nnew line", strings.Repeat("ü", 200), "🙂"}
	for _, name := range names {
		m.Add(name, source{})
	}
	text, format := scrape(t, url)
	assert.Equal(t, expfmt.TypeTextPlain, format.FormatType())
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(text))
	require.NoError(t, err)
	assert.Len(t, families, 10)
	for name, f := range families {
		var pools []string
		for _, metric := range f.Metric {
			for _, label := range metric.Label {
				if label.GetName() == "pool" {
					pools = append(pools, label.GetValue())
				}
			}
		}
		assert.Subset(t, names, pools, name)
		assert.Subset(t, pools, names, name)
		kind := dto.MetricType_GAUGE
		if strings.HasSuffix(name, "_total") {
			kind = dto.MetricType_COUNTER
		}
		assert.Equal(t, kind, f.GetType(), name)
	}
	assert.InDelta(t, 322, families["resultpool_tasks_queued"].Metric[0].GetGauge().GetValue(), 0)
}

// promtool finds nothing to complain about in the metrics.
func TestPromtoolTakesMetrics(t *testing.T) {
	m, url := serve(t, nil)
	m.Add(hostile, source{})
	text, _ := scrape(t, url)
	promtool(t, text, "check", "metrics")
}

// promtool takes the rules in docs/operating.md, which are of metrics that there are, and each fires when it is to.
func TestPromtoolTakesRules(t *testing.T) {
	text, err := os.ReadFile("../../docs/operating.md")
	require.NoError(t, err)
	blocks := regexp.MustCompile("(?s)```yaml\n(groups:.*?)```").FindSubmatch(text)
	require.NotNil(t, blocks)
	m, url := serve(t, nil)
	m.Add("p", source{})
	served, _ := scrape(t, url)
	for _, name := range regexp.MustCompile(`resultpool_\w+`).FindAllString(string(text), -1) {
		assert.Contains(t, served, "\n"+name+"{", "there is no metric %s", name)
	}
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "rules.yml"), blocks[1], 0o600))
	promtool(t, "", "check", "rules", filepath.Join(dir, "rules.yml"))

	tests, err := os.ReadFile("testdata/rules_test.yml")
	require.NoError(t, err)
	for _, m := range regexp.MustCompile(`alert: (\w+)`).FindAllSubmatch(blocks[1], -1) {
		assert.Contains(t, string(tests), "alertname: "+string(m[1])+",")
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "rules_test.yml"), tests, 0o600))
	promtool(t, "", "test", "rules", filepath.Join(dir, "rules_test.yml"))
}

func promtool(t *testing.T, stdin string, args ...string) {
	path, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("SKIPPED: there is no promtool: it has not looked at the metrics and rules")
	}
	cmd := exec.Command(path, args...)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	assert.NoError(t, err, "%s", out)
	t.Logf("%s", out)
}
