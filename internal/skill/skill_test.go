package skill

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestFrontMatter(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		fields     map[string]any
		body       string
		err        string
	}{
		{"no head", "# Title\n---\nbody", nil, "# Title\n---\nbody", ""},
		{"empty head", "---\n---\nbody\n", nil, "body\n", ""},
		{"windows", "\ufeff---\r\nname: a\r\n---\r\nbody\r\n", map[string]any{"name": "a"}, "body\n", ""},
		{
			"scalars", "---\nname: a b # a comment\nplain: it says: go\nurl: http://x/#y\nsingle: 'it''s'\ndouble: \"a \\\"b\\\" \\n c\"\nempty:\nnothing: ~\n# whole line\n\nlast: 1.0\n---\n",
			map[string]any{
				"name": "a b", "plain": "it says: go", "url": "http://x/#y", "single": "it's", "double": "a \"b\" \n c", "empty": nil, "nothing": nil, "last": "1.0",
			},
			"", "",
		},
		{
			"continued", "---\na: one\n  two\n  three\nb: >-\n  folded\n  text\n\n  more\nc: |\n  kept\n    as is\nd: \"quoted\n  on\"\n---\n",
			map[string]any{"a": "one two three", "b": "folded text\nmore", "c": "kept\n  as is", "d": "quoted on"},
			"", "",
		},
		{
			"lists", "---\na: [x, \"y, z\", 'w' ]\nb:\n- one\n- two: 2\n  three: 3\nc:\n  - k\n  -\n    n: 1\nd: []\ne: [\n  a,\n  b\n  ]\n---\n",
			map[string]any{
				"a": []any{"x", "y, z", "w"}, "b": []any{"one", map[string]any{"two": "2", "three": "3"}},
				"c": []any{"k", map[string]any{"n": "1"}}, "d": []any{}, "e": []any{"a", "b"},
			},
			"", "",
		},
		{"maps", "---\nmetadata:\n  author: me\n  deep:\n    er: yes\n---\n", map[string]any{"metadata": map[string]any{"author": "me", "deep": map[string]any{"er": "yes"}}}, "", ""},
		{"open head", "---\nname: a\n", nil, "", "has no end"},
		{"a list", "---\n- a\n---\n", nil, "", "not a list of fields"},
		{"no field", "---\nname: a\njust text\n---\n", nil, "", "line 3: a field and a colon"},
		{"twice", "---\na: 1\na: 2\n---\n", nil, "", "line 3: a stands here twice"},
		{"tab", "---\na:\n \tb: 1\n---\n", nil, "", "line 3"},
		{"open quote", "---\na: \"b\n---\n", nil, "", "line 2: a quote is not closed"},
		{"open list", "---\na: [b\n---\n", nil, "", "line 2: a list is not closed"},
		{"flow map", "---\na: {b: c}\n---\n", nil, "", "line 2: values that begin with {"},
		{"deep", "---\n" + nested(20) + "---\n", nil, "", "too deep"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			fields, body, err := frontMatter(tt.text)
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Fatalf("got %v, want %q", err, tt.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.fields, fields); diff != "" || body != tt.body {
				t.Errorf("body %q, fields (-want +got):\n%s", body, diff)
			}
		})
	}
}

func nested(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(strings.Repeat(" ", i) + "a:\n")
	}
	return b.String()
}

func FuzzFrontMatter(f *testing.F) {
	for _, seed := range []string{"", "---\na: [b, 'c']\nd:\n  - e: f\n---\n", "---\na: >\n  b\n---", "---\n- \n-\n---\n", "---\na: \"\\x\n---\n"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		_, body, err := frontMatter(text)
		if err == nil && len(body) > len(text) {
			t.Errorf("the body is longer than the file")
		}
		_, _ = parseFile(text, "a", true)
	})
}

func TestParseFile(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		agentSkill bool
		want       Skill
		err        string
	}{
		{"always", "Be kind.\n", false, Skill{Name: "x", Content: "Be kind."}, ""},
		{"keyword", "---\nname: git\ntriggers: [git, Pull Request]\n---\nText", false, Skill{Name: "git", Content: "Text", Trigger: &Trigger{Type: "keyword", Keywords: []string{"git", "Pull Request"}}}, ""},
		{
			"task", "---\nname: deploy\ntriggers:\n- /ship\ninputs:\n- name: WHERE\n  description: the place\n---\nGo", false,
			Skill{Name: "deploy", Content: "Go\n\n" + askInputs, Inputs: []Input{{"WHERE", "the place"}}, Trigger: &Trigger{Type: "task", Triggers: []string{"/ship", "/deploy"}}},
			"",
		},
		{"paths win", "---\npaths: src/**, *.go\ntriggers: [a]\n---\nGo", false, Skill{Name: "x", Content: "Go", Trigger: &Trigger{Type: "path", Paths: []string{"src/**", "*.go"}}}, ""},
		{"agent skill", "---\nname: x\ndescription: Does it.\ndisable-model-invocation: true\nmetadata: \n  a: b\n---\nHow", true, Skill{Name: "x", Content: "How", Description: "Does it.", AgentSkill: true, Hidden: true}, ""},
		{"another name", "---\nname: y\n---\nHow", true, Skill{}, `must be that of the folder, "x"`},
		{"no text", "---\nname: x\n---\n\n", false, Skill{}, "no text"},
		{"bad triggers", "---\ntriggers: [{a: b}]\n---\nx", false, Skill{}, "list in a list"},
		{"bad name", "---\nname: [a]\n---\nx", false, Skill{}, "name must be a text"},
		{"bad inputs", "---\ninputs:\n- description: b\n---\nx", false, Skill{}, "needs a name"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := parseFile(tt.text, "x", tt.agentSkill)
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Fatalf("got %v, want %q", err, tt.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestHasWord(t *testing.T) {
	for _, tt := range []struct {
		text, word string
		want       bool
	}{
		{"use git now", "git", true},
		{"use GIT.", "git", true},
		{"use github", "git", false},
		{"legit", "git", false},
		{"github, then git", "git", true},
		{"my_git_thing", "git", true}, // _ is no letter, as in OpenHands
		{"please /deploy it", "/deploy", true},
		{"see a/deploy", "/deploy", false},
		{"make a pull  request", "pull request", false},
		{"anything", " ", false},
		{"naïve git", "git", true},
	} {
		if got := hasWord(tt.text, tt.word); got != tt.want {
			t.Errorf("%q in %q: %v", tt.word, tt.text, got)
		}
	}
}

func TestGlob(t *testing.T) {
	for _, tt := range []struct {
		pattern, path string
		want          bool
	}{
		{"*.go", "a.go", true},
		{"*.go", "x/y/a.go", true},
		{"*.go", "a.GO", false},
		{"src/*.go", "src/a.go", true},
		{"src/*.go", "src/b/a.go", false},
		{"src/*.go", "x/src/a.go", false},
		{"src/**", "src/b/a.go", true},
		{"src/**", "src", false},
		{"**/test/*", "a/b/test/c", true},
		{"**/test/*", "test/c", true},
		{"a/**/b", "a/b", true},
		{"a/**/b", "a/x/y/b", true},
		{"a?c", "abc", true},
		{"a?c", "a/c", false},
		{"/Makefile", "Makefile", true},
		{"/Makefile", "sub/Makefile", false},
		{"./a/b", "a/b", true},
		{"a.b+(c)", "a.b+(c)", true},
		{"a.b", "axb", false},
		{"\xff", "a", false},
	} {
		if got := glob(tt.pattern).MatchString(tt.path); got != tt.want {
			t.Errorf("%q and %q: %v", tt.pattern, tt.path, got)
		}
	}
}

func TestInline(t *testing.T) {
	in := "Branch: !`git branch`!\n\\!`not this` and `!`nor this`` and a!`b`\n```\n!`fenced`\n```\n~~~sh\n!`x`\n~~~~\n!`one` !`two`\n!`open\n"
	want := "Branch: <git branch>!\n!`not this` and `!`nor this`` and a!`b`\n```\n!`fenced`\n```\n~~~sh\n!`x`\n~~~~\n<one> <two>\n!`open\n"
	if got := Inline(in, func(c string) string { return "<" + c + ">" }); got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func FuzzInline(f *testing.F) {
	f.Add("a !`b` \\!`c` ``d`` \n```\n!`e`\n")
	f.Fuzz(func(t *testing.T, text string) {
		if got := Inline(text, func(c string) string { return "!`" + c + "`" }); len(got) > len(text) {
			t.Errorf("%q became %q", text, got)
		}
	})
}

func TestParseContext(t *testing.T) {
	for _, tt := range []struct{ raw, err string }{
		{``, ""},
		{` null `, ""},
		{`[]`, ""},
		{`{"skills":[{"name":"a","content":"x"},{"name":"b","content":"y","trigger":{"type":"keyword","keywords":["k"]}}],"unknown":1}`, ""},
		{`{"skills":[{"name":"a","content":"x"},{"name":"a","content":"y"}]}`, `two are named "a"`},
		{`{"skills":[{"content":"x"}]}`, "skills[0]: a skill has no name"},
		{`{"skills":[{"name":"a","trigger":{"type":"magic"}}]}`, `"magic" is none of`},
		{`{"load_memory":"yes"}`, "load_memory"},
	} {
		_, err := ParseContext(json.RawMessage(tt.raw))
		if (tt.err == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), tt.err) {
			t.Errorf("%s: got %v, want %q", tt.raw, err, tt.err)
		}
	}
}

func TestDate(t *testing.T) {
	now := time.Date(2026, 3, 4, 5, 6, 7, 8, time.UTC)
	for raw, want := range map[string]string{
		`{}`:                          "2026-03-04T05:06",
		`{"current_datetime":null}`:   "",
		`{"current_datetime":"noon"}`: "noon",
		`{"current_datetime":"2025-01-02T03:04:05.678901"}`: "2025-01-02T03:04",
	} {
		c, err := ParseContext(json.RawMessage(raw))
		if err != nil {
			t.Fatal(err)
		}
		if got := c.Date(now); got != want {
			t.Errorf("%s: got %q, want %q", raw, got, want)
		}
	}
}

// tree writes files below a new folder.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		path := filepath.Join(root, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func link(t *testing.T, target, name string) {
	t.Helper()
	if err := os.Symlink(target, name); err != nil {
		t.Fatal(err)
	}
}

// load loads a context and shows its skills as ORIGIN NAME: CONTENT.
func load(t *testing.T, raw, workspace, home string) (*Known, []string) {
	t.Helper()
	c, err := ParseContext(json.RawMessage(raw))
	if err != nil {
		t.Fatal(err)
	}
	k := c.Load(workspace, home)
	var list []string
	for _, s := range k.All {
		list = append(list, string(s.Origin)+" "+s.Name+": "+s.Content)
	}
	return k, list
}

func same(t *testing.T, want, got any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

const everything = `{"load_project_skills":true,"load_user_skills":true,"load_memory":true`

func TestPrecedence(t *testing.T) {
	repo := tree(t, map[string]string{
		".git/HEAD":                              "ref: x",
		"AGENTS.md":                              "the root's",
		"GEMINI.md":                              "for gemini",
		".agents/skills/deep/SKILL.md":           "---\nname: deep\n---\nroot's deep",
		".agents/skills/deep/notes.md":           "belongs to deep",
		".openhands/microagents/repo.md":         "root's repo",
		"pkg/.openhands/skills/README.md":        "not a skill",
		"pkg/.openhands/skills/shared.md":        "pkg's shared",
		"pkg/.openhands/skills/more/nested.md":   "nested",
		"pkg/.openhands/microagents/repo.md":     "pkg's repo",
		"pkg/Agents.md":                          "pkg's",
		"pkg/.cursorrules":                       "cursor",
		"pkg/.agents/skills/explicit.md":         "beats the agent's",
		"pkg/.agents/skills/gone.md":             "disabled",
		"pkg/.agents/skills/node_modules/npm.md": "not looked at",
	})
	home := tree(t, map[string]string{
		".agents/skills/mine.md":           "mine",
		".openhands/skills/shared.md":      "user's shared",
		".openhands/skills/given.md":       "user's given",
		".openhands/microagents/mine.md":   "weaker",
		".openhands/skills/x/SKILL.md":     "---\nname: x\n---\nuser's x",
		".openhands/memory/MEMORY.md":      "remember me\n",
		"AGENTS.md":                        "no instruction file of the home is read",
		".openhands/skills/.hidden/not.md": "not looked at",
	})
	k, got := load(t, everything+`,"disabled_skills":["gone"],"skills":[{"name":"explicit","content":"loses"},{"name":"given","content":"wins"}]}`, filepath.Join(repo, "pkg"), home)
	same(t, []string{
		"project agents: pkg's", "project cursorrules: cursor", "project gemini: for gemini",
		"project explicit: beats the agent's",
		"project more/nested: nested", "project shared: pkg's shared", "project repo: pkg's repo",
		"project deep: root's deep",
		"agent given: wins",
		"user mine: mine", "user x: user's x",
	}, got)
	same(t, []string(nil), k.Warnings)
	same(t, "remember me", k.UserMemory)
	if s, _ := k.ByName("more/nested"); s.Source == "" || !strings.HasSuffix(s.Source, filepath.FromSlash("pkg/.openhands/skills/more/nested.md")) {
		t.Errorf("source %q", s.Source)
	}
	same(t, []string{"agents", "cursorrules", "explicit", "more/nested", "shared", "repo", "given", "mine"}, skillNames(k.Standing("anthropic/claude-x")))
	same(t, []string{"gemini"}, skillNames(k.Standing("gemini/gemini-x"))[2:3])
	same(t, []string{"deep", "x"}, skillNames(k.Listed()))

	_, got = load(t, `{}`, repo, home)
	same(t, []string(nil), got)
	_, got = load(t, everything+`}`, filepath.Join(repo, "pkg"), "")
	same(t, 8, len(got)-1)
}

func skillNames(list []Skill) (names []string) {
	for _, s := range list {
		names = append(names, s.Name)
	}
	return names
}

// What is broken is left out with a warning, and what else there is counts.
func TestBrokenFiles(t *testing.T) {
	outside := tree(t, map[string]string{"id_rsa": "private"})
	repo := tree(t, map[string]string{
		".git/HEAD":                   "",
		"AGENTS.md":                   "same file",
		"GEMINI.md/x":                 "a folder",
		".agents/skills/bad.md":       "---\nname: [\n---\nx",
		".agents/skills/binary.md":    "\xff\xfe",
		".agents/skills/empty.md":     "",
		".agents/skills/good.md":      "good",
		".agents/skills/huge.md":      strings.Repeat("x", maxFile+1),
		".agents/skills/Odd/SKILL.md": "x",
	})
	link(t, "AGENTS.md", filepath.Join(repo, "CLAUDE.md"))
	link(t, filepath.Join(outside, "id_rsa"), filepath.Join(repo, ".cursorrules"))
	link(t, outside, filepath.Join(repo, ".openhands"))
	k, got := load(t, `{"load_project_skills":true,"load_memory":true,"load_public_skills":true}`, repo, "")
	same(t, []string{"project agents: same file", "project good: good"}, got)
	want := []string{
		"GEMINI.md is left out: it is not a file",
		".cursorrules is left out: path escapes from parent",
		"Odd/SKILL.md is left out: the name",
		"bad.md is left out: line 2: a list is not closed",
		"binary.md is left out: it is not UTF-8",
		"empty.md is left out: it has no text",
		"huge.md is left out: it is larger than 256 KiB",
		"skills is left out: path escapes from parent",
		"microagents is left out: path escapes from parent",
		"MEMORY.md is left out: path escapes from parent",
		"load_public_skills is left out",
	}
	if len(k.Warnings) != len(want) {
		t.Fatalf("%d warnings: %s", len(k.Warnings), strings.Join(k.Warnings, "\n"))
	}
	for i, w := range want {
		if !strings.Contains(k.Warnings[i], w) {
			t.Errorf("warning %q, want %q", k.Warnings[i], w)
		}
	}
}

func TestManySkills(t *testing.T) {
	files := map[string]string{}
	for i := range maxSkills + 5 {
		files[".agents/skills/"+strings.Repeat("a", 1+i%20)+strings.Repeat("b", 1+i/20)+".md"] = "x"
	}
	k, got := load(t, everything+"}", tree(t, files), "")
	if len(got) != maxSkills || len(k.Warnings) != 1 || !strings.Contains(k.Warnings[0], "the rest is left out") {
		t.Errorf("%d skills, warnings %q", len(got), k.Warnings)
	}
}

func TestAsked(t *testing.T) {
	k, _ := load(t, `{"skills":[
		{"name":"always","content":"a"},
		{"name":"git","content":"g","trigger":{"type":"keyword","keywords":["git","commit"]}},
		{"name":"pr","content":"p","trigger":{"type":"task","triggers":["/pr"]}},
		{"name":"rule","content":"r","trigger":{"type":"path","paths":["*.go"]}},
		{"name":"listed","content":"l","is_agentskills_format":true,"disable_model_invocation":true}]}`, t.TempDir(), "")
	for _, tt := range []struct {
		text  string
		shown []string
		want  []string
	}{
		{"hello", nil, nil},
		{"  ", nil, nil},
		{"a Git commit", nil, []string{"git"}},
		{"git and /pr", nil, []string{"git", "pr"}},
		{"git and /pr", []string{"git"}, []string{"pr"}},
		{"/listed now", nil, []string{"listed"}},
		{"/LISTED\nnow", nil, []string{"listed"}},
		{"now /listed", nil, nil},
		{"/git", nil, []string{"git"}},
		{"/always /rule", nil, nil},
		{"/rule", nil, nil},
	} {
		same(t, tt.want, skillNames(k.Asked(tt.text, tt.shown)))
	}
	same(t, []string{"git", "pr"}, skillNames(k.Listed()))
}

func TestRules(t *testing.T) {
	repo := tree(t, map[string]string{
		".git/HEAD":                "",
		"AGENTS.md":                "root",
		"a/AGENTS.md":              "of a",
		"a/b/CLAUDE.md":            "of a/b",
		"a/b/c.go":                 "",
		"node_modules/x/AGENTS.md": "not looked at",
		"node_modules/x/c.go":      "",
		".hidden/AGENTS.md":        "not looked at",
		".hidden/c.go":             "",
		".agents/skills/go.md":     "---\npaths: ['*.go']\n---\ngo rule",
	})
	outside := tree(t, map[string]string{"c.go": "", "AGENTS.md": "x"})
	link(t, filepath.Join(repo, "a", "b", "c.go"), filepath.Join(repo, "link.go"))
	link(t, outside, filepath.Join(repo, "out"))
	k, _ := load(t, `{"load_project_skills":true}`, repo, "")
	for _, tt := range []struct {
		path  string
		model string
		shown []string
		want  []string
	}{
		{filepath.Join(repo, "a", "b", "c.go"), "claude", nil, []string{"go", "agents:a", "claude:a/b"}},
		{"a/b/c.go", "gpt", nil, []string{"go", "agents:a"}},
		{"a/b/c.go", "claude", []string{"go", "agents:a"}, []string{"claude:a/b"}},
		{"a/b/new.txt", "gpt", nil, []string{"agents:a"}},
		{"link.go", "gpt", nil, []string{"go", "agents:a"}},
		{"out/c.go", "gpt", nil, nil},
		{filepath.Join(outside, "c.go"), "gpt", nil, nil},
		{"README.md", "gpt", nil, nil},
		{"node_modules/x/c.go", "gpt", nil, []string{"go"}},
		{".hidden/c.go", "gpt", nil, []string{"go"}},
		{"", "gpt", nil, nil},
		{"nowhere/at/all", "gpt", nil, nil},
	} {
		same(t, tt.want, skillNames(k.Rules(tt.path, repo, tt.model, tt.shown)))
	}
	k, _ = load(t, `{}`, repo, "")
	same(t, []string(nil), skillNames(k.Rules("a/b/c.go", repo, "claude", nil)))
}

func TestMemory(t *testing.T) {
	line := func(c string, n int) string { return strings.Repeat(strings.Repeat(c, 99)+"\n", n) }
	for _, tt := range []struct {
		user, project         int // lines of 100 characters
		wantUser, wantProject int
	}{
		{10, 20, 10, 20},
		{10, 90, 10, 50},
		{90, 10, 50, 10},
		{90, 90, 30, 30},
	} {
		a, b := share(strings.TrimSpace(line("u", tt.user)), strings.TrimSpace(line("p", tt.project)), maxMemory)
		if got := strings.Count(a, "u\n") + 1; got != tt.wantUser {
			t.Errorf("%+v: %d lines of the user", tt, got)
		}
		if got := strings.Count(b, "p\n") + 1; got != tt.wantProject {
			t.Errorf("%+v: %d lines of the project", tt, got)
		}
	}
	if a, b := share("first\nlast", strings.Repeat("x", maxMemory), maxMemory); a != "first\nlast" || b != "" {
		t.Errorf("%q %q", a, b)
	}
}
