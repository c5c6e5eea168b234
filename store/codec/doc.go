// Package codec turns a [store.Result] into bytes and back, for stores that keep
// bytes. It needs the standard library only.
package codec
