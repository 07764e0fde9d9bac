//go:build race

package api_test

// slackOfRace is how much more may be allocated: under the race detector pools forget on purpose.
const slackOfRace = 0.5
