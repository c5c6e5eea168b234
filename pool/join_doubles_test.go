package pool_test

import "github.com/resultpool/resultpool/engine"

// What the doubles of the tests offer beside the methods that they must have. A method
// with another signature is no error otherwise: the pool takes the double for one
// without it, and what the test is about never happens.

// The methods of an engine that are optional.
type wholeEngine interface {
	engine.Engine
	engine.Waiter
	engine.StartMarker
	engine.Sizer
	engine.Describer
	engine.Retryabler
}

var (
	_ wholeEngine = (*hooked)(nil)
	_ wholeEngine = (*disorder)(nil)
	_ wholeEngine = (*downable)(nil)
	_ wholeEngine = (*forgetful)(nil)
	_ wholeEngine = (*many)(nil)
	_ wholeEngine = badWait{}
	_ wholeEngine = countsDown{}
	_ wholeEngine = cutOff{}
	_ wholeEngine = final{}
	_ wholeEngine = forbidden{}
)
