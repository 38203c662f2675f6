package visualize

import (
	"fmt"
	"strings"
)

var numbers = []string{"", "", "twice", "three times", "four times", "five times", "six times"}

// whyStuck finds what was repeated at the end.
func (v *View) whyStuck() (what, detail string) {
	if v.info.Error != nil && v.info.Error.Message != "" {
		return strings.TrimSuffix(firstLine(v.info.Error.Message), "."), rest(v.info.Error.Message)
	}
	n := len(v.recent)
	same := 0
	for same < n && v.recent[n-1-same] == v.recent[n-1] {
		same++
	}
	if same >= 2 {
		parts := strings.Split(v.recent[n-1], "\x00")
		thing := "step"
		if parts[0] == "Run" {
			thing = "command"
		}
		times := fmt.Sprintf("%d times", same)
		if same < len(numbers) {
			times = numbers[same]
		}
		return fmt.Sprintf("the same %s %s", thing, times), fmt.Sprintf("%s ended in the same way each time.", objectLine(parts[1]))
	}
	if n >= 4 && v.recent[n-1] == v.recent[n-3] && v.recent[n-2] == v.recent[n-4] {
		return "the same two steps in turn", ""
	}
	return "it repeats itself without getting on", ""
}
