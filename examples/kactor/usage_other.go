//go:build !unix

package main

// cpuSeconds is not known on this system.
func cpuSeconds() (user, sys float64) { return 0, 0 }
