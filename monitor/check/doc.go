// Package check looks at package monitor with what the root module does without: a real browser, for the page, and
// Prometheus' own parser and promtool, for the metrics and for the rules in docs/operating.md.
//
// It needs chromium (or Chrome) and promtool in PATH, and skips loudly what it does not find. `bash .ci/run monitor`
// installs them where it may. The pictures of the documents are made by
//
//	go test ./monitor/check -run TestPictures -args -pictures=docs/plots
package check
