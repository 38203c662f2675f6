# slug TITLE: writes TITLE as the last part of a URL. Runs of anything that is
# not a letter or a digit become one dash; there is none at the ends.
slug() {
	printf '%s' "$1" | tr '[:upper:]' '[:lower:]' | tr -c 'a-z0-9' '-'
}
