package jobs

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"time"

	"github.com/resultpool/resultpool/examples/internal/process"
)

// lookUpHere has [net.DefaultResolver] ask this process, and not the network. Names that begin with "gone" are those of
// no host; the others have the address 192.0.2.1. Those that begin with "slow" are answered when standard input has
// ended.
func lookUpHere() {
	let := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		close(let)
	}()
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) { //nolint:reassign // the program under test asks that one
		asks, answers := net.Pipe()
		context.AfterFunc(ctx, func() {
			if errors.Is(ctx.Err(), context.Canceled) { // and not when the five seconds are over
				_ = asks.Close()
			}
		})
		go func() {
			defer answers.Close()
			for answer(answers, let) == nil {
			}
		}()
		return patient{asks, ctx}, nil
	}}
}

// A patient resolver waits for an answer until it is cancelled, and not for five seconds.
type patient struct {
	net.Conn
	ctx context.Context
}

// SetDeadline does nothing.
func (patient) SetDeadline(time.Time) error { return nil }

func (p patient) Read(buf []byte) (int, error) {
	n, err := p.Conn.Read(buf)
	return n, p.reason(err)
}

func (p patient) Write(buf []byte) (int, error) {
	n, err := p.Conn.Write(buf)
	return n, p.reason(err)
}

// reason returns err, or why the connection was closed.
func (p patient) reason(err error) error {
	if err != nil && errors.Is(p.ctx.Err(), context.Canceled) {
		return p.ctx.Err()
	}
	return err
}

// answer reads a question of the DNS, as it is sent over TCP, and answers it.
func answer(conn net.Conn, let <-chan struct{}) error {
	var size uint16
	if err := binary.Read(conn, binary.BigEndian, &size); err != nil {
		return err
	}
	query := make([]byte, size)
	if _, err := io.ReadFull(conn, query); err != nil {
		return err
	}
	const header = 12
	end := header + bytes.IndexByte(query[header:], 0) + 1 // of the name
	var labels []string
	for at := header; at < end-1; at += 1 + int(query[at]) {
		labels = append(labels, string(query[at+1:at+1+int(query[at])]))
	}
	name := labels[0]
	isAddress := binary.BigEndian.Uint16(query[end:]) == 1 // and of version 4

	res := append([]byte{query[0], query[1], 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0}, query[header:end+4]...)
	switch {
	case strings.HasPrefix(name, "gone"):
		res[3] |= 3 // no such name
	case isAddress:
		process.Note(name)
		if strings.HasPrefix(name, "slow") {
			closed := make(chan struct{})
			go func() {
				_, _ = conn.Read(make([]byte, 1))
				close(closed)
			}()
			select {
			case <-let:
			case <-closed:
				return io.EOF
			}
		}
		res[7] = 1
		res = append(res, 0xc0, header, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, 192, 0, 2, 1)
	}
	_, err := conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(res))), res...))
	return err
}
