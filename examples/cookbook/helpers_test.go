package cookbook_test

import "fmt"

// must returns v. An error ends the example: what may fail here has no reason to.
func must[V any](v V, err error) V {
	if err != nil {
		panic(err)
	}
	return v
}

// report prints an error that there should not be.
func report(err error) {
	if err != nil {
		fmt.Println(err)
	}
}
