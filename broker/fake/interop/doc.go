// Package interop lets strangers use the fake cluster: clients that know nothing of it. It is a module of its own, so that their code is no dependency of kactor.
//
//	franz_test.go, transactions_test.go  franz-go
//	others_test.go                       Java's console tools and producers, and kafka-python (build tag others; see .ci/interop)
package interop
