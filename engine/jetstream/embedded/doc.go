// Package embedded is package jetstream with the server in this process: the real NATS
// server, on a directory.
package embedded
