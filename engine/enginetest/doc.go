// Package enginetest has engines to test what uses an [engine.Engine]: [Memory] is a
// whole one in the memory of this process.
package enginetest
