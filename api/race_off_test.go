//go:build !race

package api_test

const slackOfRace = 0
