package embedded

import (
	"context"

	"github.com/nats-io/nats.go"

	"github.com/resultpool/resultpool/engine/jetstream"
)

func jetstreamOpen(ctx context.Context, url, name string, opts ...nats.Option) (*jetstream.Engine, error) {
	return jetstream.Open(ctx, url, name, &jetstream.Options{NATS: opts})
}
