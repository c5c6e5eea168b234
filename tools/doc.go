// Package tools pins what the project is checked with, as tool lines of this module's go.mod: golangci-lint,
// benchstat, apidiff and govulncheck.
package tools
