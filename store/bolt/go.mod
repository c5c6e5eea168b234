module github.com/resultpool/resultpool/store/bolt

go 1.25.0

replace github.com/resultpool/resultpool => ../..

require (
	github.com/resultpool/resultpool v0.1.0
	github.com/stretchr/testify v1.12.1
	go.etcd.io/bbolt v1.5.0
)

require (
	go.yaml.in/yaml/v3 v3.0.5 // indirect
	golang.org/x/sync v0.22.0 // indirect
	golang.org/x/sys v0.45.0 // indirect
)
