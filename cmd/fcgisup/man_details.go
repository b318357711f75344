//go:build man

package main

// manDetails is what a page of the manual has below the description of --help, which must fit a screen.
var manDetails = map[string]string{
	"fcgisup alert": `Changes within ten seconds make one message. A file under url_file has the URL on a line of its own and is read for each
message; a file of root may have mode 0640.

A program under exec runs without a shell for at most 30 seconds. The JSON on its standard input has id, event (down,
still_down, up or test), host, at, title, text and apps. The environment has FCGISUP_ID, FCGISUP_EVENT, FCGISUP_HOST,
FCGISUP_APPS, FCGISUP_TITLE and FCGISUP_TEXT. Exit code 0 means delivered.

If the monitor ends between a delivery and its record, a message is sent twice, with the same id.`,

	"fcgisup apply": `The units go to /etc/systemd/system, the upstream to /etc/nginx/conf.d/APP-upstream.conf, and the location to
/etc/nginx/snippets/APP-location.conf.

A changed service is restarted instance by instance while its requests wait in the socket. Changed worker settings are
reloaded. Eager instances must answer before nginx is reloaded.

A changed socket must be closed and opened again. apply does this while no client uses it, and nginx sends requests to
the other instances meanwhile. The same holds for a changed service without a supervisor. If a socket is still in use after
--drain, apply restores the previous state; --restart-sockets closes it anyway. An app that moves to another address has a
short gap: nginx is reloaded right after its sockets have moved.

If a supervisor does not answer or refuses a change, the other apps are applied without it, and the exit code is 1.

apply does not change files that it did not write, unless they are what gen renders for the app with any number of
instances. With APP arguments it compares only these apps.

A changed monitor.listen or monitor.interval restarts the monitor of the host. The first configuration starts it if it
waits for one.`,

	"fcgisup doctor": `doctor tests whether the web server can connect without connecting, because a connection would wake an instance. It takes the
credentials of nginx's workers (user, group and supplementary groups, as they run) and their mount namespace, searches each
directory and checks write permission on the socket, as connect(2) does. It tests in the same way whether an app's user can
read the configuration. Security modules are not asked.

doctor also reads the status of running supervisors, the unit and the token of the monitor, and the files and programs under
alerts.to. It does not examine backends on other hosts.`,

	"fcgisup gen": `Installed files are those below /etc/systemd/system, /etc/nginx/conf.d/APP-upstream.conf and
/etc/nginx/snippets/APP-location.conf. Each file is replaced atomically.

An app without a configuration is named APP, or after its command. --check needs a configuration.`,

	"fcgisup run": `Sockets of systemd (LISTEN_FDS) are matched by FileDescriptorName=, otherwise by address. When another program takes
over, only HTTP connections to fcgisup itself are closed.`,
}
