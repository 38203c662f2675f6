//go:build !race

package main

// raceEnabled tells whether the tests, and the program that they start, have the
// race detector.
const raceEnabled = false
