package fileeditor

import (
	"os"
	"runtime"
	"syscall"
	"testing"
)

// asUser lets the rest of the test touch files as a user who may not do
// everything, and gives that user the files. Only root needs it.
func asUser(t *testing.T, files ...string) {
	t.Helper()
	if os.Geteuid() != 0 {
		return
	}
	const nobody = 65534
	for _, f := range files {
		if err := os.Chown(f, nobody, nobody); err != nil {
			t.Fatal(err)
		}
	}
	// It holds for this thread only, which the test keeps to itself.
	runtime.LockOSThread()
	if err := syscall.Setfsuid(nobody); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Setfsuid(0); err != nil {
			t.Error(err)
		}
	})
}
