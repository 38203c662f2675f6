// Command bench measures the built program as an editor feels it: how fast it
// starts and steps, what it costs in memory, how long conversations take to
// open. It starts the real binary as a child process, speaks raw frames with it
// and prints each figure beside the aim. Models are scripts without delays, so
// that no figure holds any time of a model.
//
// It judges nothing: a figure over its aim is marked, on a machine with other
// work to do as well. It starts one goroutine per server, which reads its
// output.
package main

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

func main() {
	if len(os.Args) < 2 || len(os.Args) > 3 {
		fmt.Fprintln(os.Stderr, "usage: bench PROGRAM [PART OF A NAME]")
		os.Exit(2)
	}
	only := ""
	if len(os.Args) == 3 {
		only = os.Args[2]
	}
	if err := run(os.Args[1], only); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// run measures the program and prints the table.
func run(program, only string) error {
	program, err := filepath.Abs(program)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "agent-rpc-bench-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }() // it is in the folder for such things
	if dir, err = filepath.EvalSymlinks(dir); err != nil {
		return err
	}
	fmt.Printf("%s/%s, %d processors, %s\n", runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), filepath.Base(program))
	fmt.Printf("%-52s %14s %14s\n", "", "measured", "aim")
	for _, m := range measures {
		if !strings.Contains(m.name, only) {
			continue
		}
		w, err := newWorld(program, dir)
		if err != nil {
			return err
		}
		figures, err := m.measure(w)
		w.close()
		if err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
		for _, f := range figures {
			fmt.Println(f)
		}
	}
	return nil
}

// figure is a line of the table.
type figure struct {
	name  string
	value float64
	unit  string
	// aim is the most, or with atLeast the least, that the value should be; 0 for
	// none.
	aim     float64
	atLeast bool
}

func (f figure) String() string {
	aim, mark := "", ""
	if f.aim != 0 {
		sign := "≤"
		if f.atLeast {
			sign = "≥"
		}
		aim = fmt.Sprintf("%s %s %s", sign, number(f.aim), f.unit)
		if f.atLeast && f.value < f.aim || !f.atLeast && f.value > f.aim {
			mark = "  ← misses its aim"
		}
	}
	return fmt.Sprintf("%-52s %14s %14s%s", f.name, number(f.value)+" "+f.unit, aim, mark)
}

// number writes three digits or more, the thousands apart.
func number(v float64) string {
	switch {
	case v >= 10000:
		return fmt.Sprintf("%d,%03d", int(v)/1000, int(v)%1000)
	case v >= 100 || v == float64(int(v)):
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}

func median[T cmp.Ordered](values []T) T {
	values = slices.Sorted(slices.Values(values))
	return values[len(values)/2]
}
