package foreign

import "testing"

// TestDaemonIsNotLost: what start-stop-daemon starts is refused with its line if something essential is unknown, also
// beside another app.
func TestDaemonIsNotLost(t *testing.T) {
	t.Parallel()
	const other = "spawn-fcgi -s /run/other.sock -u web -- /srv/other\n"
	for line, why := range map[string]string{
		"start-stop-daemon --start --chuid $RUN_AS --exec /usr/bin/spawn-fcgi -- -s /run/a.sock -- /srv/a":       "$RUN_AS is not set",
		"start-stop-daemon --start --exec /usr/bin/spawn-fcgi --chuid \"$(id -un)\" -- -s /run/a.sock -- /srv/a": "$(id) in line 3",
		"start-stop-daemon --start --group $G --startas=/usr/bin/spawn-fcgi -- -s /run/a.sock -- /srv/a":         "$G is not set",
		"start-stop-daemon -S --chroot /srv/jail -x /usr/bin/spawn-fcgi -- -s /run/a.sock -- /srv/a":             "start-stop-daemon has no counterpart",
		"start-stop-daemon -S --frob -x/usr/bin/spawn-fcgi -- -s /run/a.sock -- /srv/a":                          "--frob is not an option",
		"start-stop-daemon --start --exec $DAEMON -- $DAEMON_ARGS":                                               "$DAEMON is not set",
		"start-stop-daemon -S -qx \"$DAEMON\" -- -s /run/a.sock":                                                 "$DAEMON is not set",
		"start-stop-daemon $OPTS -- -s /run/a.sock":                                                              "$OPTS is not set",
		"start-stop-daemon -S -c $U -x /usr/bin/env -- A=b spawn-fcgi -s /run/a.sock -- /srv/a":                  "$U is not set",
		"start-stop-daemon -S -c $U -x /usr/sbin/fcgiwrap -- -s unix:/run/a.sock":                                "$U is not set",
		"su $WHO -c 'spawn-fcgi -s /run/a.sock -- /srv/a'":                                                       "$WHO is not set",
		"daemon --user=$WHO \"spawn-fcgi -s /run/a.sock -- /srv/a\"":                                             "$WHO is not set",
	} {
		imports{name: line, text: sh + other + line + "\n", want: []string{"listen: /run/other.sock"}, say: []string{"run:3: ", why, "is left out"}}.check(t, "run")
	}
	for _, line := range []string{"start-stop-daemon --stop --exec $DAEMON", "start-stop-daemon -K -p $P -x \"$DAEMON\"", "start-stop-daemon --status --user $U -x /usr/bin/spawn-fcgi"} {
		imports{name: line, text: sh + other + line + "\n", want: []string{"listen: /run/other.sock"}, not: []string{"run:3"}}.check(t, "run")
	}
	imports{name: "another program", text: sh + other + "start-stop-daemon -S -c $U -x /usr/sbin/cron\n", want: []string{"listen: /run/other.sock"}, say: []string{"run:3: start-stop-daemon: is not taken over"}, not: []string{"left out"}}.check(t, "run")
}
