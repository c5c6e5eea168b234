// Package rules checks what holds for the whole repository and no compiler checks: which package may
// import which, what users get with the root module, and that the documents name tests that exist.
//
// What the tests read lies outside this module, where go test does not look for changes before it
// repeats an old verdict: give it -count=1.
package rules

import "os"

// module is how the paths of all packages of this repository begin.
const module = "github.com/resultpool/resultpool/"

const root = "../../../"

// repository is the folder with all modules.
var repository = os.DirFS(root)
