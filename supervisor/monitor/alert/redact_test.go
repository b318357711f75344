package alert

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/nicholas-fedor/shoutrrr/pkg/router"

	"github.com/fcgisup/fcgisup/supervisor/monitor"
)

// secretive are URLs of many services with what must never be seen of them. HOST stands for a loopback address.
var secretive = []struct {
	url     string
	secrets string
	// want is a part of what is shown of a refused connection.
	want string
}{
	{"telegram://110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw1@telegram?chats=@secretchan", "110201543 AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw1 secretchan", "connection refused"},
	{"slack://hook:T0AAAAAAA-B0BBBBBBB-123456789123456789123456@webhook", "T0AAAAAAA B0BBBBBBB 123456789123456789123456", "connection refused"},
	{"slack://xoxb:123456789012-1234567890123-4mt0t4l1YL3g1T5L4cK70k3N@C001CH4NN3L", "123456789012 1234567890123 4mt0t4l1YL3g1T5L4cK70k3N C001CH4NN3L", "connection refused"},
	{"discord://t0ken_secret-abc@987654321", "t0ken secret 987654321", "connection refused"},
	{"pushover://shoutrrr:apitoken1234@userkey5678/", "apitoken1234 userkey5678", "connection refused"},
	{"teams://11111111-4444-4444-8444-cccccccccccc@22222222-4444-4444-8444-cccccccccccc/33333333012222222222333333333344/44444444-4444-4444-8444-cccccccccccc/V2ESyij_gAljSoUQHvZoZYzlpAoAXExyOl26dlf1xHEx05?host=contoso.webhook.office.com", "11111111-4444 22222222-4444 33333333012222222222333333333344 V2ESyij", "connection refused"},
	{"ntfy://user:hunter22@HOST/secrettopic?scheme=http", "hunter22 secrettopic", "connection refused"},
	{"gotify://HOST/AzyoeNS.D4iJLVa?disabletls=yes", "AzyoeNS D4iJLVa", "connection refused"},
	{"generic://HOST/hook/sEcReTpAtH?disabletls=yes&$token=q1w2e3r4", "sEcReTpAtH q1w2e3r4", "connection refused"},
	{"generic+http://user:p%40ssw0rd@HOST/sEcReTpAtH", "p@ssw0rd p%40ssw0rd sEcReTpAtH", ""},
	{"smtp://user:s3cr3tpass@HOST/?from=a@example.org&to=b@example.org", "s3cr3tpass b@example.org", "connection refused"},
	{"mattermost://HOST/tokentokentoken/channel1?disabletls=yes", "tokentokentoken channel1", "connection refused"},
	{"matrix://user:matrixpass99@HOST/?disableTLS=yes", "matrixpass99", "connection refused"},
	{"generic://ab:c@HOST/?disabletls=yes", "ab:c", "not shown"},
	{"telegram://bad token here@telegram", "bad token here", "not a URL"},
	{"telegram://onlyatoken", "onlyatoken", "does not suit"},
	{"://sec-ret-value", "sec-ret-value", "not a URL"},
	{"nosuch://sec-ret-value", "sec-ret-value", "unknown service"},
	{"sec-ret-value", "sec-ret-value", ""},
	{"discord://t0k%zzen-secret@1234", "zzen secret", "not a URL"},
	{"smtp://[::1:s3cr3tpass", "s3cr3tpass", "not a URL"},
	{"slack://short@x", "short", "does not suit"},
	{"logger://sec-ret-value", "sec-ret-value", "has no receiver"},
}

// TestNothingOfTheURL: what is shown of a failure says why, and nothing of the URL: with no server
// there, with a server that repeats all it is told, and with a URL that is none.
func TestNothingOfTheURL(t *testing.T) {
	closed := closedPort(t)
	echo := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		said := r.Method + " " + r.Host + r.URL.String() + " " + r.Header.Get("Authorization") + " " + r.Header.Get("X-Gotify-Key") + " " + string(body)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusForbidden)
		_, _ = io.WriteString(w, `{"ok":false,"errcode":"M_FORBIDDEN","description":"`+said+`","error":"`+said+`","errorDescription":"`+said+`"}`)
	}))
	defer echo.Close()
	// Those that have no host in their URL are led to loopback as well.
	for _, host := range []string{closed, strings.TrimPrefix(echo.URL, "http://")} {
		c := courier("HTTPS_PROXY=http://"+host, "HTTP_PROXY=http://"+host, "NO_PROXY=")
		for _, s := range secretive {
			if host != closed && strings.HasPrefix(s.url, "smtp:") {
				continue // it does not speak first: TestServiceHangs
			}
			err := c.Deliver(t.Context(), nil, urlFile(t, strings.ReplaceAll(s.url, "HOST", host)), message())
			if err == nil {
				t.Errorf("%s: delivered", s.url)
				continue
			}
			for secret := range strings.FieldsSeq(s.secrets) {
				if strings.Contains(strings.ToLower(err.Error()), strings.ToLower(secret)) {
					t.Errorf("%s: shows %s: %v", s.url, secret, err)
				}
			}
			if host == closed && !strings.Contains(err.Error(), s.want) {
				t.Errorf("%s: does not say why (%q): %v", s.url, s.want, err)
			}
		}
	}
}

// TestEveryServiceTakesAMessage: none panics at the way that title and text are given to it.
func TestEveryServiceTakesAMessage(t *testing.T) {
	services := &router.ServiceRouter{}
	names := services.ListServices()
	if len(names) < 20 {
		t.Fatalf("only %q", names)
	}
	for _, name := range names {
		service, err := services.NewService(name)
		if err != nil {
			t.Fatal(err)
		}
		func() {
			defer func() {
				if p := recover(); p != nil {
					t.Errorf("%s: %v", name, p)
				}
			}()
			text, params := sendRequest{Title: "the title", Text: "the text\n"}.message(service)
			if title, ok := params.Title(); title != "the title" && !strings.HasPrefix(text, "the title\n\nthe text") {
				t.Errorf("%s: title %q %v, text %q", name, title, ok, text)
			}
		}()
	}
}

// FuzzRedact: wherever a URL stands in a text, no part of it is left.
func FuzzRedact(f *testing.F) {
	for _, s := range secretive {
		f.Add(s.url, "cannot send to ", ": refused")
	}
	f.Fuzz(func(t *testing.T, raw, before, after string) {
		if _, err := onlyURL(raw); err != nil {
			return
		}
		got := newRedactor(raw).clean(before + raw + after)
		if strings.ContainsAny(got, "\n\x1b\x00") || len(got) > monitor.ForeignLimit {
			t.Errorf("not one line: %q", got)
		}
		if len(raw) >= minPartLen && !isPublic(raw, raw) && strings.Contains(got, raw) {
			t.Errorf("%q shows the URL: %q", raw, got)
		}
		mute := false
		for _, part := range urlParts(raw, &mute) {
			if len(part) >= minPartLen && !isPublic(raw, part) && strings.Contains(got, part) && !mute {
				t.Errorf("%q shows %q: %q", raw, part, got)
			}
		}
	})
}
