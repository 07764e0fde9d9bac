// Package tamper changes the answers of brokers on their way to a client, as a broken, half-configured or hostile broker might send them: fields with other values, cut frames, answers twice, late, to another
// request or not at all. What it does follows from a seed.
//
// Two kinds of change are made: now and then one answer of any kind, and for a while the same change to every answer of one API, or another each time. The second is what a client must not be driven into a storm of requests by.
//
//	proxy := tamper.New(rand.New(rand.NewPCG(seed, 0)))
//	out := proxy.Answer(key, version, frame) // for each answer, in the order of its connection
package tamper
