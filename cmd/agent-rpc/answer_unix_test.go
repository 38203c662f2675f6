//go:build unix

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The agent asks, with the real server behind: a choice by its number, a text of
// one's own, and a question that is declined.
func TestQuestionOnATerminal(t *testing.T) {
	x := onTerminal(t, "", asksInAScript(t), "run", "--cwd", t.TempDir(), "Paint it")
	x.see("Which colour?")
	x.see("2  blue")
	x.see("Answer, 1-2? ")
	for _, keys := range []string{"\r", "7\r", "green\r"} {
		x.press(keys)
		x.see("Answer, 1-2? ")
	}
	x.press("2\r")
	x.see("Whose house?")
	x.see("Answer? ")
	x.press("Zoë's\r")
	x.see("And the door?")
	x.see("Answer? ")
	x.press("\x1b")
	x.see("It is blue, Zoë's, and the door The user declined to answer.")
	x.exits(exitFinished)
}

// Ctrl+C leaves the question; the conversation goes on with it on a terminal.
func TestQuestionLater(t *testing.T) {
	env, folder := asksInAScript(t), t.TempDir()
	env = append(env, "HOME="+t.TempDir())
	x := onTerminal(t, "", env, "run", "--cwd", folder, "Paint it")
	x.see("Answer, 1-2? ")
	x.press("\x03")
	x.see("The question waits still")
	x.exits(exitInterrupted)

	x = onTerminal(t, "", env, "conversations", "list")
	x.see("asks")
	x.exits(exitFinished)
	x = onTerminal(t, "", env, "run", "--cwd", folder, "-c", only(t, env))
	x.see("Which colour?")
	x.see("Answer, 1-2? ")
	x.press("red\r")
	x.see("Whose house?")
	x.see("Answer? ")
	x.press("\x03")
	x.exits(exitInterrupted)
}

func asksInAScript(t *testing.T) []string {
	t.Helper()
	script := filepath.Join(t.TempDir(), "asks.script")
	if err := os.WriteFile(script, []byte(`{"calls": [{"ask_user": {"question": "Which colour?", "options": ["red", "blue"]}}]}
{"calls": [{"ask_user": {"question": "Whose house?"}}]}
{"calls": [{"ask_user": {"question": "And the door?"}}]}
"It is blue, Zoë's, and the door The user declined to answer."
`), 0o600); err != nil {
		t.Fatal(err)
	}
	return []string{"LLM_MODEL=scripted/" + script}
}

// only gives the id of the one conversation that is stored.
func only(t *testing.T, env []string) string {
	t.Helper()
	for _, v := range env {
		if home, ok := strings.CutPrefix(v, "HOME="); ok {
			found, err := filepath.Glob(filepath.Join(home, ".openhands", "conversations", "*"))
			if err != nil || len(found) != 1 {
				t.Fatalf("stored: %q, %v", found, err)
			}
			return filepath.Base(found[0])
		}
	}
	t.Fatal("no home")
	return ""
}
