package monitor

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"

	"github.com/resultpool/resultpool/pool"
)

// metric is one of /metrics. The names are those of package monitor/otelpool, too.
type metric struct {
	name, kind, help string
	value            func(s *shot) float64
}

func metrics() []metric {
	return []metric{
		{"resultpool_tasks_submitted_total", "counter", "Tasks that were accepted.", func(s *shot) float64 { return float64(s.stats.Submitted) }},
		{"resultpool_tasks_finished_total", "counter", "Tasks that are over, by what became of them.", nil},
		{"resultpool_tasks_queued", "gauge", "Tasks that wait.", func(s *shot) float64 { return float64(s.stats.Queued) }},
		{"resultpool_queue_capacity", "gauge", "How many tasks may wait.", func(s *shot) float64 { return float64(s.stats.Capacity) }},
		{"resultpool_tasks_running", "gauge", "Tasks that run, or whose results are being stored.", func(s *shot) float64 { return float64(s.stats.Running) }},
		{"resultpool_workers", "gauge", "How many tasks may run at once.", func(s *shot) float64 { return float64(s.stats.Workers) }},
		{"resultpool_results_unsaved", "gauge", "Results that the store has not taken.", func(s *shot) float64 { return float64(s.stats.Unsaved) }},
		{"resultpool_submissions_refused_total", "counter", "Submissions that were refused for want of room.", func(s *shot) float64 { return float64(s.stats.Refused) }},
		{"resultpool_queue_wait_seconds", "gauge", "For how long the oldest task that waits has waited, at least; 0 if none does.", func(s *shot) float64 {
			if !s.waits {
				return 0
			}
			return s.waited().Seconds()
		}},
		{"resultpool_oldest_running_seconds", "gauge", "For how long the longest running task has run, at least; 0 if none does.", func(s *shot) float64 {
			if len(s.longest) == 0 {
				return 0
			}
			return s.ranFor(s.longest[0]).Seconds()
		}},
	}
}

// exposition returns the metrics in the text format of Prometheus, version 0.0.4. A pool that cannot be looked at has none.
func exposition(snap *snapshot) []byte {
	var b bytes.Buffer
	labels := make([]string, len(snap.pools))
	escape := strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`)
	for i, s := range snap.pools {
		labels[i] = `{pool="` + escape.Replace(s.name) + `"`
	}
	line := func(name, labels string, value float64) {
		b.WriteString(name)
		b.WriteString(labels)
		b.WriteString("} ")
		b.Write(strconv.AppendFloat(b.AvailableBuffer(), value, 'f', -1, 64))
		b.WriteByte('\n')
	}
	for _, m := range metrics() {
		fmt.Fprintf(&b, "# HELP %s %s\n# TYPE %s %s\n", m.name, m.help, m.name, m.kind)
		for i, s := range snap.pools {
			if s.trouble != "" {
				continue
			}
			if m.value != nil {
				line(m.name, labels[i], m.value(s))
				continue
			}
			for out, n := range [...]uint64{
				pool.Succeeded: s.stats.Succeeded,
				pool.Failed:    s.stats.Failed,
				pool.Panicked:  s.stats.Panicked,
				pool.NotRun:    s.stats.NotRun,
			} {
				line(m.name, labels[i]+`,outcome="`+pool.Outcome(out).String()+`"`, float64(n))
			}
		}
	}
	return b.Bytes()
}
