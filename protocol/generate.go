package protocol

//go:generate go run ./internal/gen -schemas ../schemas -out .
