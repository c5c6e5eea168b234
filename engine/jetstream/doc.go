// Package jetstream is an engine on NATS JetStream: one queue and its results, shared by
// all programs that open it under the same name.
package jetstream
