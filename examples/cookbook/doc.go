// Package cookbook has the programs of docs/cookbook.md, as examples that run: each recipe is an Example
// function, and what the document shows of it is the text of this package.
package cookbook
