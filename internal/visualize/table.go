package visualize

// Table sets rows in columns, two blanks between them, measured as a terminal
// shows them. Control characters are escaped; the last column is not padded.
func Table(rows [][]string) []string {
	var widths []int
	for _, row := range rows {
		for i, text := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], line(nil).add(normal, text).cols())
		}
	}
	var out []string
	for _, row := range rows {
		var l line
		column := 0
		for i, text := range row {
			l = l.pad(column).add(normal, text)
			column += widths[i] + 2
		}
		out = append(out, l.render(false))
	}
	return out
}
