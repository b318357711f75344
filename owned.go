package fcgisup

import (
	"slices"

	"gopkg.in/yaml.v3"
)

// owner says which other key sets a directive that the administrator may not.
type owner map[string]string

// ownedSocket and ownedService are the directives that fcgisup's promises
// hang on, and what to use instead.
var (
	ownedSocket = owner{
		"ListenStream":            "listen",
		"ListenDatagram":          "",
		"ListenSequentialPacket":  "",
		"ListenFIFO":              "",
		"ListenSpecial":           "",
		"ListenNetlink":           "",
		"ListenMessageQueue":      "",
		"ListenUSBFunction":       "",
		"Accept":                  "",
		"Backlog":                 "socket.backlog",
		"SocketUser":              "socket.user",
		"SocketGroup":             "socket.group",
		"SocketMode":              "socket.mode",
		"FileDescriptorName":      "",
		"Service":                 "",
		"TriggerLimitIntervalSec": "",
		"TriggerLimitBurst":       "",
	}
	ownedService = owner{
		"Type":                  "",
		"NotifyAccess":          "",
		"ExecStart":             "command",
		"ExecReload":            "",
		"ExecStop":              "stop_signal",
		"Restart":               "restart",
		"RestartSec":            "restart",
		"User":                  "user",
		"Group":                 "group",
		"WorkingDirectory":      "directory",
		"Environment":           "environment",
		"EnvironmentFile":       "environment_file",
		"KillMode":              "",
		"KillSignal":            "stop_signal",
		"TimeoutStartSec":       "limits.start_timeout",
		"TimeoutStopSec":        "limits.stop_timeout",
		"TimeoutSec":            "limits",
		"WatchdogSec":           "",
		"OOMPolicy":             "",
		"RuntimeDirectory":      "",
		"RuntimeDirectoryMode":  "",
		"StandardInput":         "",
		"Sockets":               "",
		"NonBlocking":           "",
		"StartLimitIntervalSec": "",
		"StartLimitBurst":       "",
		"StartLimitInterval":    "",
	}
)

// directives reads systemd directives: a value, or a list for one that repeats.
func directives(p *map[string][]string, owned owner) set {
	return kindly("mapping of directives to values", func(d *decoder, n *yaml.Node, key string) {
		*p = map[string][]string{}
		d.mapping(n, key, func(k, v *yaml.Node, at string) {
			instead, ours := owned[k.Value]
			switch {
			case ours && instead != "":
				d.errorAt(k, at, "is managed by fcgisup; set %s instead", instead)
			case ours:
				d.errorAt(k, at, "is managed by fcgisup and cannot be set")
			case !keyRule().MatchString(k.Value):
				d.errorAt(k, at, "%q is not a systemd directive", k.Value)
			}
			(*p)[k.Value] = []string{}
			d.sequence(v, at, func(n *yaml.Node, at string) {
				if s, ok := d.scalar(n, at); ok {
					(*p)[k.Value] = append((*p)[k.Value], s)
				}
			})
		})
	})
}

// OwnedDirectives are the systemd directives of a section ("Socket" or
// "Service") that only fcgisup sets, sorted.
func OwnedDirectives(section string) []string {
	owned := ownedService
	if section == "Socket" {
		owned = ownedSocket
	}
	var keys []string
	for k := range owned {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
