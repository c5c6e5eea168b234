module github.com/resultpool/resultpool/examples

go 1.25.0
