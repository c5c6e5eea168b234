// Package text makes the texts of values and errors that are not the library's own.
package text

import "fmt"

// Of returns fmt.Sprint(v), or, where that panics, a text that names the type of v.
//
// A method of v that panics does not make fmt.Sprint panic: it prints what the method
// panicked with. But if printing that panics too, as after
//
//	func (e *myError) Error() string { panic(e) }
//
// fmt lets the second panic through, to whoever asked for the text.
//
// A Goexit in a method of v ends the caller's goroutine: nothing stops one. So a
// goroutine of the library asks for a text only where it expects the same of the user's
// other code.
func Of(v any) (s string) {
	defer func() {
		if recover() != nil {
			s = fmt.Sprintf("(%T, whose text cannot be had: the method that makes it panics)", v)
		}
	}()
	return fmt.Sprint(v)
}
