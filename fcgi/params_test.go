package fcgi

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParamsDefaults(t *testing.T) {
	want := map[string]string{
		"CONTENT_LENGTH": "0", "GATEWAY_INTERFACE": "CGI/1.1", "HTTP_HOST": "localhost",
		"HTTP_USER_AGENT": "fcgisup-probe", "PATH_INFO": "/", "QUERY_STRING": "", "REDIRECT_STATUS": "200",
		"REMOTE_ADDR": "127.0.0.1", "REQUEST_METHOD": "GET", "REQUEST_URI": "/", "SCRIPT_NAME": "",
		"SERVER_NAME": "localhost", "SERVER_PORT": "80", "SERVER_PROTOCOL": "HTTP/1.1", "SERVER_SOFTWARE": "fcgisup",
	}
	if diff := cmp.Diff(want, Params(Request{Path: "/"})); diff != "" {
		t.Error(diff)
	}
}

func TestParams(t *testing.T) {
	for _, tc := range []struct {
		name string
		r    Request
		want map[string]string
	}{
		{
			"Request Tracker",
			Request{ScriptName: "/rt", Path: "/static/images/bpslogo.png", Host: "rt.example.org", Port: 443},
			map[string]string{
				"SCRIPT_NAME": "/rt", "PATH_INFO": "/static/images/bpslogo.png", "REQUEST_URI": "/rt/static/images/bpslogo.png",
				"SERVER_NAME": "rt.example.org", "SERVER_PORT": "443", "HTTP_HOST": "rt.example.org:443",
			},
		},
		{
			"query and escapes",
			Request{Path: "/a%20b?x=%20&y"},
			map[string]string{"PATH_INFO": "/a b", "REQUEST_URI": "/a%20b?x=%20&y", "QUERY_STRING": "x=%20&y"},
		},
		{"bad escape", Request{Path: "/a%zz"}, map[string]string{"PATH_INFO": "/a%zz", "REQUEST_URI": "/a%zz"}},
		{"no slash", Request{Path: "ping"}, map[string]string{"PATH_INFO": "/ping", "REQUEST_URI": "/ping"}},
		{"query alone", Request{Path: "?x"}, map[string]string{"PATH_INFO": "/", "REQUEST_URI": "/?x", "QUERY_STRING": "x"}},
		{
			"query alone below a script",
			Request{ScriptName: "/a.cgi", Path: "?x"},
			map[string]string{"PATH_INFO": "", "REQUEST_URI": "/a.cgi?x", "SCRIPT_NAME": "/a.cgi"},
		},
		{"port in host", Request{Path: "/", Host: "h:81"}, map[string]string{"SERVER_NAME": "h", "SERVER_PORT": "81", "HTTP_HOST": "h:81"}},
		{"port beats host", Request{Path: "/", Host: "h:81", Port: 80}, map[string]string{"SERVER_NAME": "h", "SERVER_PORT": "80", "HTTP_HOST": "h"}},
		{"IPv6", Request{Path: "/", Host: "[::1]"}, map[string]string{"SERVER_NAME": "::1", "HTTP_HOST": "[::1]"}},
		{"IPv6 with port", Request{Path: "/", Host: "::1", Port: 81}, map[string]string{"SERVER_NAME": "::1", "HTTP_HOST": "[::1]:81"}},
		{"method", Request{Path: "/", Method: "HEAD"}, map[string]string{"REQUEST_METHOD": "HEAD"}},
		{
			"parameters win",
			Request{Path: "/", Params: map[string]string{"PATH_INFO": "", "SCRIPT_FILENAME": "/srv/a.php", "HTTPS": "on"}},
			map[string]string{"PATH_INFO": "", "SCRIPT_FILENAME": "/srv/a.php", "HTTPS": "on"},
		},
	} {
		got := Params(tc.r)
		for name, want := range tc.want {
			if value, ok := got[name]; !ok || value != want {
				t.Errorf("%s: %s is %q, want %q", tc.name, name, value, want)
			}
		}
	}
}
