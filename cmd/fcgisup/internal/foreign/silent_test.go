package foreign

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// silence is a setting in a file that would otherwise be read without a note about it.
type silence struct {
	name, file, text string // text holds %s where the setting goes
	settings         []string
}

// inPage is how docs/migrating.md names a key: some share a prefix there, others pass as they are.
func inPage(key string) string {
	switch key {
	case "ExecStopPost", "Nice", "CPUQuota", "UMask", "SupplementaryGroups", "PrivateTmp", "DirectoryMode", "FreeBind", "PassCredentials":
		return "all others"
	}
	for _, suffix := range []string{"_maxbytes", "_backups", "_capture_maxbytes", "_events_enabled", "_syslog"} {
		if strings.HasSuffix(key, suffix) {
			return "`…" + suffix + "`"
		}
	}
	return key
}

// TestNothingIsSilent: every setting shows, in the result or in a note of its line. Those of the second lists mean
// what fcgisup does anyway.
func TestNothingIsSilent(t *testing.T) {
	const socket = "[Socket]\nListenStream=/run/x.sock\nSocketUser=root\nSocketGroup=root\n"
	tests := []silence{
		{"supervisord", "web.conf", "[fcgi-program:x]\ncommand=/bin/x\nsocket=unix:///run/x.sock\nuser=root\n%s\n", []string{
			"process_name=%(program_name)s_x", "numprocs=2", "priority=5", "autostart=false", "startsecs=3", "startretries=2",
			"autorestart=false", "exitcodes=0", "stopsignal=INT", "stopwaitsecs=3", "stopasgroup=false", "killasgroup=false",
			"user=web", "stdout_logfile=/x", "stdout_logfile_maxbytes=1", "stdout_logfile_backups=1", "stdout_capture_maxbytes=1",
			"stdout_events_enabled=1", "stdout_syslog=1", "stderr_logfile=/x", "stderr_logfile_maxbytes=1", "stderr_logfile_backups=1",
			"stderr_capture_maxbytes=1", "stderr_events_enabled=1", "stderr_syslog=1", "environment=A=1", "directory=/srv", "umask=007",
			"serverurl=x", "socket_owner=a:b", "socket_mode=0600", "socket_backlog=7", "unheard=of",
		}},
		{"fpm", "pool.conf", "[x]\nuser=root\nlisten=/run/x.sock\npm=dynamic\npm.max_children=4\nsecurity.limit_extensions=.php\n%s\n", []string{
			"group=web", "listen.backlog=7", "listen.allowed_clients=127.0.0.1", "listen.owner=a", "listen.group=a", "listen.mode=0600",
			"listen.acl_users=a", "listen.acl_groups=a", "process.priority=3", "process.dumpable=yes", "pm.start_servers=2",
			"pm.min_spare_servers=2", "pm.max_spare_servers=3", "pm.max_spawn_rate=9", "pm.max_requests=9", "pm.status_path=/s",
			"pm.status_listen=/run/s.sock", "ping.path=/p", "ping.response=p", "access.log=/x", "access.format=x", "access.suppress_path[]=/p",
			"slowlog=/x", "request_slowlog_timeout=3", "request_slowlog_trace_depth=3", "request_terminate_timeout=3",
			"request_terminate_timeout_track_finished=yes", "rlimit_files=99", "rlimit_core=0", "chroot=/x", "chdir=/srv",
			"catch_workers_output=no", "decorate_workers_output=no", "clear_env=no", "security.limit_extensions=.php3", "apparmor_hat=x",
			"env[A]=1", "php_value[a]=1", "php_flag[a]=on", "php_admin_value[a]=1", "php_admin_flag[a]=on", "unheard=of",
		}},
		{"service", "x.service", "[Service]\nUser=root\nExecStart=/bin/x\nStandardInput=socket\n%s\n", []string{
			"Type=oneshot", "Restart=no", "RestartSec=7", "TimeoutStopSec=7", "TimeoutStartSec=7", "TimeoutSec=7", "RuntimeMaxSec=7",
			"KillSignal=SIGINT", "KillMode=none", "PIDFile=/run/x", "NotifyAccess=all", "WatchdogSec=3", "ExecReload=/bin/x", "ExecStop=/bin/x",
			"ExecStopPost=/bin/x", "ExecStartPre=/bin/x", "Environment=A=1", "EnvironmentFile=/etc/x", "WorkingDirectory=/srv", "Group=web",
			"StandardOutput=null", "StandardError=file:/x", "RuntimeDirectory=x", "StartLimitBurst=3", "OOMPolicy=stop", "Delegate=yes",
			"NonBlocking=yes", "Sockets=y.socket", "DynamicUser=yes", "RootDirectory=/x", "SuccessExitStatus=3", "MemoryMax=1G",
			"LimitNOFILE=99", "PrivateTmp=yes", "ProtectSystem=strict", "Nice=3", "CPUQuota=20%%", "UMask=0077", "SupplementaryGroups=x", "UnheardOf=1",
		}},
		{"unit", "x.service", "[Unit]\n%s\n[Service]\nUser=root\nExecStart=/bin/x\nStandardInput=socket\n", []string{
			"Description=X", "After=y.service", "Wants=y.service", "Requires=y.service", "BindsTo=y.service", "PartOf=y.target",
			"Conflicts=y.service", "ConditionPathExists=/x", "OnFailure=y.service", "StartLimitBurst=3", "Documentation=man:x",
		}},
		{"socket", "x.socket", socket + "%s\n", []string{
			"ListenStream=/run/y.sock", "ListenDatagram=/run/y.sock", "SocketUser=a", "SocketGroup=a", "SocketMode=0600", "Backlog=7",
			"FileDescriptorName=y", "TriggerLimitBurst=3", "NoDelay=yes", "DirectoryMode=0700", "ReceiveBuffer=4K", "ExecStartPre=/bin/x",
			"FreeBind=yes", "PassCredentials=yes", "UnheardOf=1",
		}},
	}
	page, err := os.ReadFile("../../../../docs/migrating.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range tests {
		read := func(text string) Result {
			files := []Source{{Name: test.file, Data: []byte(text)}}
			switch test.name {
			case "service", "unit":
				files = append(files, Source{Name: "x.socket", Data: []byte(socket)})
			case "socket":
				files = append(files, Source{Name: "x.service", Data: []byte("[Service]\nUser=root\nExecStart=/bin/x\nStandardInput=socket\n")})
			}
			return Read(files, machine())
		}
		plain := read(fmt.Sprintf(test.text, ""))
		if len(plain.Apps) != 1 {
			t.Fatalf("%s: %v", test.name, plain.Notes)
		}
		before, _, _ := strings.Cut(test.text, "%s")
		line := strings.Count(before, "\n") + 1
		for _, setting := range test.settings {
			setting = strings.ReplaceAll(setting, "%%", "%")
			key, _, _ := strings.Cut(setting, "=")
			key, _, _ = strings.Cut(key, "[")
			if !strings.Contains(string(page), inPage(key)) && test.name != "unit" && !strings.HasPrefix(strings.ToLower(key), "unheard") {
				t.Errorf("docs/migrating.md does not mention %s of %s", key, test.name)
			}
			res := read(before + setting + strings.TrimPrefix(test.text, before+"%s"))
			if string(res.Text) == string(plain.Text) && !noted(res.Notes, line, key) {
				t.Errorf("%s: %s leaves no trace; notes: %v", test.name, setting, res.Notes)
			}
			for _, n := range res.Notes {
				if n.Line == line && (strings.Contains(n.Text, "not a setting") || strings.Contains(n.Text, "refuses")) && !strings.HasPrefix(key, "unheard") {
					t.Errorf("%s: %s is one: %s", test.name, setting, n)
				}
			}
			if strings.HasPrefix(strings.ToLower(setting), "unheard") && !noted(res.Notes, line, "nheard") && test.name != "service" && test.name != "socket" {
				t.Errorf("%s: no note names %s", test.name, setting)
			}
		}
	}
}
