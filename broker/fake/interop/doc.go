// Package interop lets strangers use the fake cluster: clients that know nothing of it. It is a module of its own, so that their code is no dependency of kactor.
//
//	franz_test.go, transactions_test.go  franz-go
//
// and with the build tag others (see .ci/interop):
//
//	others_test.go                       Java's console tools, producers and groups, and kafka-python
//	java_admin_test.go                   Java's admin tools
//	java_test.go                         the tools of Kafka's own system tests
//	kgo_test.go                          franz-go's own tests
//	librdkafka_test.go                   librdkafka, and the admin client of kafka-python
package interop
