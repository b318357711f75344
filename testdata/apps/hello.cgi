#!/bin/sh
# A CGI script for fcgiwrap. README.md lists its paths.
# The worker is fcgiwrap, our parent: its pid is the one to tell.
value() {
	printf '%s' "$QUERY_STRING" | sed -n "s/.*$1=\([0-9][0-9]*\).*/\1/p"
}

header() {
	printf 'Content-Type: text/plain\r\n\r\n'
}

case "${PATH_INFO:-/}" in
/)
	header
	echo hello
	;;
/sleep)
	ms=$(value ms)
	sleep "$(awk "BEGIN { print ${ms:-0} / 1000 }")"
	header
	echo "slept ${ms:-0}"
	;;
/big)
	bytes=$(value bytes)
	header
	head -c "${bytes:-0}" /dev/zero | tr '\0' x
	exit
	;;
/echo)
	body=$(mktemp)
	cat >"$body"
	header
	echo "length $(wc -c <"$body")"
	echo "sha1 $(sha1sum <"$body" | cut -d' ' -f1)"
	rm -f "$body"
	;;
/die)
	echo 'asked to die' >&2
	kill -ABRT $$
	;;
/env)
	header
	printenv "$QUERY_STRING" || echo
	;;
*)
	printf 'Status: 404 Not Found\r\nContent-Type: text/plain\r\n\r\nno such path\n'
	;;
esac
echo "pid $PPID"
