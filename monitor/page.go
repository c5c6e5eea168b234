package monitor

import (
	"crypto/sha256"
	_ "embed" // for the page
	"encoding/base64"
	"strings"
)

//go:embed page.html
var pageHTML string

//go:embed page.css
var pageCSS string

//go:embed page.js
var pageJS string

// page is the page, in one piece, and the policy that lets a browser run this script and nothing else.
type page struct {
	html   []byte
	policy string
}

func newPage() page {
	return page{
		html: []byte(strings.NewReplacer("/*page.css*/", pageCSS, "/*page.js*/", pageJS).Replace(pageHTML)),
		policy: "default-src 'none'; connect-src 'self'; img-src data:; style-src " + hash(pageCSS) + "; script-src " + hash(pageJS) +
			"; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
	}
}

func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}
