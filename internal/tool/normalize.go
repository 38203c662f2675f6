package tool

import (
	"regexp"
	"slices"
	"strings"
)

const (
	terminalName   = "terminal"
	fileEditorName = "file_editor"
	paramCommand   = "command"
)

// aliases are names that models know from elsewhere.
var aliases = map[string]string{
	"bash": terminalName, "command": terminalName, "execute": terminalName,
	"execute_bash": terminalName, "git": terminalName, "reset": terminalName,
	"str_replace": fileEditorName, "str_replace_editor": fileEditorName,
}

var identifier = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_-]*`)

// normalizeCall finds out which tool is meant and fits the arguments to it. A
// name that is registered means that tool, whatever else it could mean.
func normalizeCall(set *Set, toolName string, args *object, opts ParseOptions) string {
	if _, ok := set.ByName(toolName); !ok {
		toolName = normalizeName(set, toolName, args, opts)
	}
	if toolName == fileEditorName && !args.has(paramCommand) {
		inferCommand(set, args)
	}
	return toolName
}

// normalizeName gives the name as it came where no tool could be meant by it.
func normalizeName(set *Set, toolName string, args *object, opts ParseOptions) string {
	// Some models let the markup of their own format run into the name.
	head := identifier.FindString(strings.TrimSpace(toolName))
	if _, ok := set.ByName(head); ok {
		return head
	}
	if _, ok := set.ByName(terminalName); ok {
		if command, ok := bareCommand(head, *args, opts); ok {
			*args = slices.DeleteFunc(*args, func(m member) bool { return m.key != paramRisk && m.key != paramSummary })
			args.setString(paramCommand, command)
			return terminalName
		}
	}
	target := aliases[head]
	if _, ok := set.ByName(target); !ok {
		return toolName
	}
	if head == "git" || head == "reset" {
		prefixCommand(head, args)
	}
	return target
}

// prefixCommand puts the program before a command that lacks it: the call
// git {"command": "status"} means "git status".
func prefixCommand(program string, args *object) {
	command, ok := args.text(paramCommand)
	if !ok {
		return
	}
	if words := strings.Fields(command); len(words) == 0 || words[0] != program {
		args.setString(paramCommand, strings.TrimSpace(program+" "+command))
	}
}

// bareCommand gives the command line of a call that takes a program for a tool.
func bareCommand(toolName string, args object, opts ParseOptions) (string, bool) {
	own := slices.DeleteFunc(args.keys(), func(key string) bool { return key == paramRisk || key == paramSummary })
	switch toolName {
	case "find", "git", "ls", "pwd":
		return toolName, len(own) == 0
	case "grep":
	default:
		return "", false
	}
	for _, key := range own {
		if _, ok := args.text(key); !ok || !slices.Contains([]string{"pattern", "path", "include"}, key) {
			return "", false
		}
	}
	pattern, _ := args.text("pattern")
	path, _ := args.text("path")
	include, _ := args.text("include")
	if strings.TrimSpace(pattern) == "" {
		return "", false
	}
	if path == "" {
		path = "."
	}
	words := []string{"grep", "-rnIE"}
	if include != "" {
		words = append(words, "--include="+include)
	}
	if opts.Ripgrep {
		words = []string{"rg", "-n"}
		if include != "" {
			words = append(words, "--glob="+include)
		}
	}
	words = append(words, "-e", pattern, "--", path)
	for i := range words {
		words[i] = shellWord(words[i])
	}
	return strings.Join(words, " "), true
}

var plainWord = regexp.MustCompile(`^[A-Za-z0-9_./=:@%+,-]+$`)

// shellWord quotes a word for a POSIX shell where it needs it.
func shellWord(word string) string {
	if plainWord.MatchString(word) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

// inferCommand gives a call of the file editor the command that its other
// parameters ask for. Without a hint the tool itself says what is missing.
func inferCommand(set *Set, args *object) {
	i, ok := set.byName[fileEditorName]
	if !ok || !set.params[i].has(paramCommand) {
		return
	}
	for _, hint := range []struct{ param, command string }{
		{"old_str", "str_replace"}, {"insert_line", "insert"}, {"file_text", "create"}, {"path", "view"},
	} {
		if args.has(hint.param) {
			args.setString(paramCommand, hint.command)
			return
		}
	}
}
