package otelpool
