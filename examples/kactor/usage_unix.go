//go:build unix

package main

import "syscall"

// cpuSeconds is the CPU time of the process so far, all threads.
func cpuSeconds() (user, sys float64) {
	var r syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &r) != nil {
		return 0, 0
	}
	return float64(r.Utime.Nano()) / 1e9, float64(r.Stime.Nano()) / 1e9
}
