module github.com/resultpool/resultpool/examples

go 1.26.0

require (
	github.com/nats-io/nats-server/v2 v2.15.3
	github.com/nats-io/nats.go v1.55.0
	github.com/resultpool/resultpool v0.1.0
	github.com/resultpool/resultpool/store/bolt v0.1.0
	github.com/robfig/cron/v3 v3.0.1
	github.com/stretchr/testify v1.12.1
	go.uber.org/goleak v1.3.0
	golang.org/x/term v0.48.0
	golang.org/x/time v0.16.0
)

require (
	github.com/antithesishq/antithesis-sdk-go v0.9.0-default-no-op // indirect
	github.com/google/go-tpm v0.9.8 // indirect
	github.com/klauspost/compress v1.20.4 // indirect
	github.com/minio/highwayhash v1.0.4 // indirect
	github.com/nats-io/jwt/v2 v2.8.3 // indirect
	github.com/nats-io/nkeys v0.4.17 // indirect
	github.com/nats-io/nuid v1.0.1 // indirect
	golang.org/x/crypto v0.58.0 // indirect
)

require (
	github.com/resultpool/resultpool/engine/jetstream v0.1.0
	github.com/resultpool/resultpool/engine/jetstream/embedded v0.1.0
	go.etcd.io/bbolt v1.5.0 // indirect
	go.yaml.in/yaml/v3 v3.0.5 // indirect
	golang.org/x/sync v0.25.0 // indirect
	golang.org/x/sys v0.50.0
)

replace github.com/resultpool/resultpool => ../

replace github.com/resultpool/resultpool/store/bolt => ../store/bolt

replace github.com/resultpool/resultpool/engine/jetstream => ../engine/jetstream

replace github.com/resultpool/resultpool/engine/jetstream/embedded => ../engine/jetstream/embedded
