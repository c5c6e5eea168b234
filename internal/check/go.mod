module github.com/resultpool/resultpool/internal/check

go 1.25.0

replace github.com/resultpool/resultpool => ../..

require (
	github.com/resultpool/resultpool v0.1.0
	github.com/stretchr/testify v1.12.1
	pgregory.net/rapid v1.3.0
)

require (
	github.com/puzpuzpuz/xsync/v3 v3.5.1 // indirect
	go.yaml.in/yaml/v3 v3.0.5 // indirect
	golang.org/x/sync v0.22.0 // indirect
)
