package storetest

import "github.com/resultpool/resultpool/store"

// What the doubles offer beside the methods of a store. A method with another signature
// is no error otherwise: the kit and the pool take the double for one without it.
var (
	_ store.BatchPutter[int] = (*reference)(nil)
	_ store.BatchPutter[int] = (*broken)(nil)
	_ store.BatchPutter[int] = (*faultyBatcher[int])(nil)

	_ store.IDReserver = (*reference)(nil)
	_ store.IDReserver = (*broken)(nil)
	_ store.IDReserver = (*faultyReserver)(nil)
)
