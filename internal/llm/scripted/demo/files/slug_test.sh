#!/bin/sh
cd "$(dirname "$0")" || exit 2
. ./slug.sh

count=0
failed=0

# check TITLE WANT
check() {
	count=$((count + 1))
	got=$(slug "$1")
	if [ "$got" = "$2" ]; then
		echo "ok    '$1' -> $got"
	else
		echo "FAIL  '$1' -> $got, want $2"
		failed=$((failed + 1))
	fi
}

check 'Hello' 'hello'
check 'Hello, World!' 'hello-world'
check '  Two  spaces ' 'two-spaces'
check 'Version 1.2 is out' 'version-1-2-is-out'

if [ "$failed" -gt 0 ]; then
	echo "$failed of $count tests failed"
	exit 1
fi
echo "all $count tests passed"
