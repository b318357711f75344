package units

import "testing"

func TestMounts(t *testing.T) {
	for _, test := range []struct{ service, path, hides, noExec string }{
		{"", "/home/x", "", ""},
		{"ProtectHome=yes", "/home/x/bin", "ProtectHome=yes", ""},
		{"ProtectHome=yes", "/root", "ProtectHome=yes", ""},
		{"ProtectHome=yes", "/run/user/1000/x", "ProtectHome=yes", ""},
		{"ProtectHome=yes", "/homes/x", "", ""},
		{"ProtectHome=true", "/home", "ProtectHome=true", ""},
		{"ProtectHome=read-only", "/home/x", "", ""},
		{"ProtectHome=yes\nProtectHome=no", "/home/x", "", ""},
		{"ProtectHome=yes\nProtectHome=", "/home/x", "", ""},
		{"ProtectHome=yes\nBindPaths=/home/x", "/home/x/a", "ProtectHome=yes", ""},
		{"ProtectHome=tmpfs\nBindReadOnlyPaths=/srv/x:/home/x:rbind", "/home/x/a", "", ""},
		{"ProtectHome=tmpfs\nBindReadOnlyPaths=-/home/x", "/home/y", "ProtectHome=tmpfs", ""},
		{"PrivateTmp=yes", "/var/tmp/x", "PrivateTmp=yes", ""},
		{"PrivateTmp=disconnected", "/tmp/x", "PrivateTmp=disconnected", ""},
		{"PrivateTmp=no", "/tmp/x", "", ""},
		{"DynamicUser=yes", "/tmp/x", "PrivateTmp=yes", ""},
		{"InaccessiblePaths=-/srv/a /srv/b", "/srv/b/c", "InaccessiblePaths=/srv/b", ""},
		{"TemporaryFileSystem=/:ro\nBindReadOnlyPaths=/usr", "/srv/x", "TemporaryFileSystem=/", ""},
		{"TemporaryFileSystem=/:ro\nBindReadOnlyPaths=/usr", "/usr/bin/x", "", ""},
		{"NoExecPaths=/\nExecPaths=/usr /lib", "/srv/x", "", "NoExecPaths=/"},
		{"NoExecPaths=/\nExecPaths=/usr /lib", "/usr/bin/x", "", ""},
		{"NoExecPaths=/usr/local", "/usr/local/x", "", "NoExecPaths=/usr/local"},
		{"[Unit]\nProtectHome=yes", "/home/x", "", ""},
	} {
		directives, err := Read([]byte("[Service]\n" + test.service))
		if err != nil {
			t.Fatal(err)
		}
		m := MountsOf(directives)
		if got := m.Hides(test.path); got != test.hides {
			t.Errorf("%q hides %s by %q, want %q", test.service, test.path, got, test.hides)
		}
		if got := m.NoExec(test.path); got != test.noExec {
			t.Errorf("%q forbids to execute %s by %q, want %q", test.service, test.path, got, test.noExec)
		}
	}
}
