//go:build linux || darwin

package terminal

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
	"github.com/agent-rpc/agent-rpc/internal/tool"
)

func withDir(dir string) func(*tool.Env, *Options) {
	return func(env *tool.Env, _ *Options) { env.Dir = dir }
}

func TestHugeOutput(t *testing.T) {
	dir := t.TempDir()
	h := newHarness(t, withDir(dir))
	h.want("true", "", 0)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	watched := 0
	o := h.actContext(context.Background(), call("echo first; yes 'a line of output' | head -c 100000000; echo; echo last"), func(text string) { watched += len(text) })
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapSys) - int64(before.HeapSys); grown > 100<<20 {
		t.Errorf("the heap grew by %d MB", grown>>20)
	}
	got := text(o)
	if exit(o) != 0 || !strings.HasPrefix(got, "first\na line") || !strings.HasSuffix(got, "\nlast") {
		t.Errorf("exit code %d, output %.100q … %q", exit(o), got, got[len(got)-100:])
	}
	if !strings.Contains(got, "<response clipped>") {
		t.Error("the cut is not marked")
	}
	rendered := event.TextOf(h.tool.Render(encode(t, o)))
	if n := utf8.RuneCountInString(rendered); n > maxShown || n < maxShown-10 {
		t.Errorf("the model reads %d characters", n)
	}
	if watched == 0 {
		t.Error("nothing was streamed")
	}
	if o.FullOutputSaveDir != filepath.Join(dir, "observations") {
		t.Errorf("saved in %q", o.FullOutputSaveDir)
	}
	files, _ := filepath.Glob(filepath.Join(o.FullOutputSaveDir, "terminal_output_*.txt"))
	if len(files) != 1 || !strings.Contains(got, files[0]) {
		t.Fatalf("saved %v", files)
	}
	saved, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	if len(saved) > maxKept+200 || !strings.Contains(string(saved), "bytes of output came here and were not kept") {
		t.Errorf("%d bytes were saved", len(saved))
	}
	h.want("echo on", "on", 0)
}

func TestLongOutput(t *testing.T) {
	dir := t.TempDir()
	h := newHarness(t, withDir(dir))
	o := h.run("seq 1 20000")
	var all strings.Builder
	for i := 1; i <= 20000; i++ {
		fmt.Fprintln(&all, i)
	}
	files, _ := filepath.Glob(filepath.Join(dir, "observations", "*"))
	if len(files) != 1 {
		t.Fatalf("saved %v", files)
	}
	if saved, err := os.ReadFile(files[0]); err != nil || string(saved) != strings.TrimSpace(all.String()) {
		t.Errorf("the saved output is not the whole: %d bytes, %v", len(saved), err)
	}
	if n := utf8.RuneCountInString(event.TextOf(h.tool.Render(encode(t, o)))); n != maxShown {
		t.Errorf("the model reads %d characters", n)
	}
	h2 := newHarness(t)
	if o := h2.run("seq 1 20000"); o.FullOutputSaveDir != "" || !strings.Contains(text(o), "<response clipped>") {
		t.Errorf("without a directory: %+v", o.FullOutputSaveDir)
	}
}

func TestBinaryOutput(t *testing.T) {
	h := newHarness(t)
	o := h.run("head -c 3000000 /dev/urandom; head -c 10000 /dev/zero; echo; echo end")
	if got := text(o); exit(o) != 0 || !utf8.ValidString(got) || !strings.HasSuffix(got, "\nend") || strings.ContainsAny(got, "\x00\x07\u009b") {
		t.Errorf("exit code %d, output %.50q … %q", exit(o), got, got[max(0, len(got)-50):])
	}
	h.want("echo on", "on", 0)
	// A sequence that never ends takes nothing of what follows.
	h.want(`printf 'a\033]0;title'; false`, "a", 1)
	h.want(`printf '\033['; true`, "", 0)
	h.want(`printf '\344'; true`, "\uFFFD", 0)
	h.want("echo on", "on", 0)
}

func TestStreaming(t *testing.T) {
	h := newHarness(t)
	wait, release := h.block()
	w := newWatcher("one\n")
	go func() {
		<-w.seen
		release()
	}()
	// What is watched comes before the command ends, or it never would.
	o := h.actContext(context.Background(), call("echo one; "+wait+"; printf 'zwei ü\\r\\n\\033[31mrot\\033[0m\\033[6n 10%%\\r20%%\\n'"), w.write)
	h.wants(o, "one\nzwei ü\n20%", 0)
	if want := "one\nzwei ü\n\x1b[31mrot\x1b[0m 10%\r20%\n"; w.text() != want {
		t.Errorf("watched %q, want %q", w.text(), want)
	}
	w = newWatcher("")
	h.actContext(context.Background(), call("echo a; echo '###PS1'; printf 'x'"), w.write)
	if w.text() != "a\n###PS1\nx" {
		t.Errorf("watched %q", w.text())
	}
}

const hidden = "<secret-hidden>"

func TestSecrets(t *testing.T) {
	const pem = "-----BEGIN KEY-----\nab'c\"d\\e $HOME `x` !!\n-----END KEY-----"
	secrets := map[string]string{"TOKEN": "s3cret-value", "PEM": pem, "bad-name": "x", "EMPTY": "", "LONG": strings.Repeat("0123456789", 1000), "OLD": "s3cret"}
	dir := t.TempDir()
	var asked []string
	for _, shell := range []string{"bash", "sh"} {
		t.Run(shell, func(t *testing.T) {
			h := newHarness(t, withDir(dir), withParams(`{"shell_path":"`+shell+`"}`), func(env *tool.Env, _ *Options) {
				env.Mask = strings.NewReplacer("s3cret-value", hidden, "s3cret", hidden, "other-value", hidden).Replace
				env.Secrets = func(_ context.Context, command string) (map[string]string, []string) {
					asked = append(asked, command)
					found := make(map[string]string)
					for name, value := range secrets {
						if strings.Contains(command, name) {
							found[name] = value
						}
					}
					return found, nil
				}
			})
			h.want("echo nothing", "nothing", 0)
			h.want(`sh -c 'echo ${#TOKEN}'`, "12", 0)
			h.want(`echo "[$EMPTY]" "bad-name"`, "[] bad-name", 0)
			h.want(`printf %s "$PEM" | cksum`, cksum(t, pem), 0)
			h.want(`printf %s "$LONG" | cksum`, cksum(t, secrets["LONG"]), 0)
			w := newWatcher("")
			o := h.actContext(context.Background(), call(`set -x; echo "$TOKEN $OLD"`), w.write)
			if got := text(o); strings.Contains(got, "s3cret") || !strings.Contains(got, hidden+" "+hidden) {
				t.Errorf("output %q", got)
			}
			w = newWatcher("")
			h.actContext(context.Background(), call("true TOKEN"), w.write)
			if strings.Contains(w.text(), "s3cret") {
				t.Errorf("a traced export was streamed: %q", w.text())
			}
			h.run("set +x")
			// They stay, and what is saved has none.
			secrets["TOKEN"] = "other-value"
			h.want(`t=$(env | sed -n 's/^TO''KEN=//p'); test "$t" = s3cret-value; echo $?`, "0", 0)
			h.want(`test "$TOKEN" = other-value; echo $?`, "0", 0)
			secrets["TOKEN"] = "s3cret-value"
			h.run(`i=0; while [ $i -lt 3000 ]; do echo "$TOKEN $i"; i=$((i+1)); done`)
		})
	}
	files, _ := filepath.Glob(filepath.Join(dir, "observations", "*"))
	for _, file := range files {
		if saved, err := os.ReadFile(file); err != nil || strings.Contains(string(saved), "s3cret") {
			t.Errorf("%s holds a secret, or %v", file, err)
		}
	}
	if len(files) == 0 {
		t.Error("nothing was saved")
	}
	if asked[0] != "echo nothing" {
		t.Errorf("asked for %q", asked[0])
	}
}

// TestSecretsWithoutValue says in the result what a command lacks, and asks for
// nothing where nothing is run.
func TestSecretsWithoutValue(t *testing.T) {
	var asked []string
	h := newHarness(t, func(env *tool.Env, _ *Options) {
		env.Secrets = func(_ context.Context, command string) (map[string]string, []string) {
			asked = append(asked, command)
			return map[string]string{"B": "s3cret"}, []string{"A: the client declined", "C: it has no value"}
		}
	})
	o := h.run(`echo "[$A]" ${#B}`)
	h.wants(o, "[] 6", 0)
	if want := "[The secret A: the client declined. Its variable was not set.]\n[The secret C: it has no value. Its variable was not set.]\n"; o.Metadata.Prefix != want {
		t.Errorf("the note is %q", o.Metadata.Prefix)
	}
	h.run(`read line; echo "got $line"`)
	h.act(input("A B C"))
	h.act(input("A B C"))
	h.act(call(""))
	h.act(`{"command":"","reset":true}`)
	if diff := cmp.Diff([]string{`echo "[$A]" ${#B}`, `read line; echo "got $line"`}, asked); diff != "" {
		t.Errorf("asked for (-want +got):\n%s", diff)
	}
}

// TestSecretsAreWaitedFor interrupts a call that waits for a secret.
func TestSecretsAreWaitedFor(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	h := newHarness(t, func(env *tool.Env, _ *Options) {
		env.Secrets = func(ctx context.Context, command string) (map[string]string, []string) {
			if strings.Contains(command, "TOKEN") {
				cancel()
				<-ctx.Done()
			}
			return nil, nil
		}
	})
	o := h.actContext(ctx, call(`echo "$TOKEN" > ran`), func(string) {})
	if !strings.Contains(o.Metadata.Suffix, "did not begin") {
		t.Errorf("the result is %+v", o)
	}
	h.want("ls", "", 0)
}

// TestSecretsLeaveNoTrace: no variable, no history and no trace of ours holds
// what was exported, and the command finds $? and $_ as they were.
func TestSecretsLeaveNoTrace(t *testing.T) {
	h := newHarness(t, func(env *tool.Env, _ *Options) {
		env.Secrets = func(context.Context, string) (map[string]string, []string) {
			return map[string]string{"TOKEN": "s3cret\n-value"}, nil
		}
	})
	w := newWatcher("")
	o := h.actContext(context.Background(), call(`set -xv; history; fc -l; set | grep 3cret | grep -v ^TOKEN=; set +xv`), w.write)
	if got := text(o); strings.Contains(got, "s3cret") {
		t.Errorf("output %q", got)
	}
	if strings.Contains(w.text(), "s3cret") {
		t.Errorf("streamed %q", w.text())
	}
	h.want("(exit 3)", "", 3)
	h.want("echo $?", "0", 0)
}

func TestMask(t *testing.T) {
	dir := t.TempDir()
	h := newHarness(t, withDir(dir), func(env *tool.Env, _ *Options) {
		env.Mask = func(text string) string { return strings.ReplaceAll(text, "1234", hidden) }
	})
	if o := h.run("seq 1 20000"); strings.Contains(text(o), "1234") {
		t.Error("the output holds the secret")
	}
	files, _ := filepath.Glob(filepath.Join(dir, "observations", "*"))
	if len(files) != 1 {
		t.Fatalf("saved %v", files)
	}
	if saved, err := os.ReadFile(files[0]); err != nil || strings.Contains(string(saved), "1234") {
		t.Errorf("the file holds the secret, or %v", err)
	}
}

// encode gives an observation as it is stored.
func encode(t *testing.T, o Observation) []byte {
	t.Helper()
	raw, err := event.EncodeKind(o, observationKind)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func BenchmarkOutput100MB(b *testing.B) {
	h := newHarness(b)
	h.want("true", "", 0)
	b.SetBytes(100_000_000)
	for b.Loop() {
		if o := h.run("yes 'a line of output' | head -c 100000000"); exit(o) != 0 {
			b.Fatal(exit(o))
		}
	}
}
