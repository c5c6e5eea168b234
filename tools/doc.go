// Package tools pins what the project is checked with: golangci-lint and
// benchstat, as tool lines of this module's go.mod.
package tools
