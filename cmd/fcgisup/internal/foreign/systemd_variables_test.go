package foreign

import "testing"

// TestManagerVariables: what systemd sets itself is taken over if the unit tells it, and is unknown otherwise, never empty.
func TestManagerVariables(t *testing.T) {
	t.Parallel()
	const spawn = "ExecStart=/usr/bin/spawn-fcgi -n "
	for _, i := range []imports{
		{name: "directories", text: "[Service]\nRuntimeDirectory=m\nStateDirectory=m/%p:old\nUser=web\n" + spawn + "-s ${RUNTIME_DIRECTORY}/m.sock -- /srv/a ${STATE_DIRECTORY} $USER\n", want: []string{"listen: /run/m/m.sock", "command: [/srv/a, /var/lib/m/a, web]"}},
		{name: "several", text: "[Service]\nUser=web\nCacheDirectory=a b\nLogsDirectory=l\nConfigurationDirectory=c\n" + spawn + "-s /run/a.sock -- /srv/a ${CACHE_DIRECTORY} ${LOGS_DIRECTORY} ${CONFIGURATION_DIRECTORY}\n", want: []string{"command: [/srv/a, '/var/cache/a:/var/cache/b', /var/log/l, /etc/c]"}},
		{name: "a directory that differs", text: "[Service]\nUser=web\nRuntimeDirectory=%b\n" + spawn + "-s ${RUNTIME_DIRECTORY}/m.sock -- /srv/a\n", say: []string{"a.service:4: $RUNTIME_DIRECTORY is set by systemd", "is left out"}},
		{name: "home", text: "[Service]\nUser=web\n" + spawn + "-s ${HOME}/m.sock -- /srv/a\n", say: []string{"a.service:3: $HOME is set by systemd", "is left out"}},
		{name: "a directory that the unit lacks", text: "[Service]\nUser=web\n" + spawn + "-s ${STATE_DIRECTORY}/m.sock -- /srv/a\n", want: []string{"listen: /m.sock"}, say: []string{"$STATE_DIRECTORY: is not set"}},
		{name: "the user by number", text: "[Service]\nUser=33\n" + spawn + "-s /run/a.sock -- /srv/$USER ${LOGNAME}\n", say: []string{"$LOGNAME is set by systemd"}},
		{name: "no user", text: "[Service]\n" + spawn + "-s /run/a.sock -u ${USER} -- /srv/a\n", say: []string{"$USER is set by systemd"}},
		{name: "credentials", text: "[Service]\nUser=web\n" + spawn + "-s /run/a.sock -- /srv/a ${CREDENTIALS_DIRECTORY}/x\n", say: []string{"$CREDENTIALS_DIRECTORY is set by systemd"}},
		{name: "the unit sets it", text: "[Service]\nUser=web\nEnvironment=HOME=/h\n" + spawn + "-s ${HOME}/m.sock -- /srv/a\n", want: []string{"listen: /h/m.sock"}},
		{name: "handed on", text: "[Service]\nUser=web\nPassEnvironment=A SOCK\n" + spawn + "-s ${SOCK} -- /srv/a\n", say: []string{"a.service:4: $SOCK is of systemd's environment (PassEnvironment=)", "is left out"}},
		{name: "of the program", text: "[Service]\nUser=web\nStandardInput=socket\nExecStart=/srv/a ${INVOCATION_ID}\n", more: map[string]string{"a.socket": webSocket}, say: []string{"a.service:4: ExecStart: $INVOCATION_ID is set by systemd", "is left out"}},
	} {
		i.check(t, "/etc/systemd/system/a.service")
	}
}
