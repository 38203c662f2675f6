package scripted

import (
	"embed"
	"io/fs"
	"strings"
)

// DemoTask is the message that starts the demo.
const DemoTask = "The tests of this little project fail. Find out why, fix it, clean up what the bug left behind, and show me that they pass."

//go:embed demo/demo.script
var demoScript string

//go:embed demo/files
var demoFiles embed.FS

// DemoFiles gives the project of the demo: contents by path, with slashes,
// relative to an empty folder. No file needs to be executable.
func DemoFiles() map[string]string {
	const root = "demo/files/"
	files := map[string]string{}
	_ = fs.WalkDir(demoFiles, "demo/files", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := demoFiles.ReadFile(path)
		// A checkout may have changed the line ends; the script counts on these.
		files[strings.TrimPrefix(path, root)] = strings.ReplaceAll(string(data), "\r\n", "\n")
		return err
	}) // an embedded tree has no read errors
	return files
}
