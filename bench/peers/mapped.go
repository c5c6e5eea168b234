package main

import "errors"

// mapped is what a Map returned, as results: the errors of an error that joins
// them stand beside those values whose tasks they name.
func mapped(values []int, joined error) results {
	return func(yield func(int, error) bool) {
		of := make(map[int]error)
		for _, err := range parts(joined) {
			var failed taskError
			if !errors.As(err, &failed) {
				yield(0, err)
				return
			}
			of[int(failed)] = err
		}
		for _, v := range values {
			if !yield(v, of[v]) {
				return
			}
		}
	}
}

// parts takes an error apart that joins several. Those of conc are joined one by
// one, each with all before it.
func parts(err error) []error {
	var joined interface{ Unwrap() []error }
	if !errors.As(err, &joined) {
		if err == nil {
			return nil
		}
		return []error{err}
	}
	var all []error
	for _, part := range joined.Unwrap() {
		all = append(all, parts(part)...)
	}
	return all
}
