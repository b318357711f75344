package alert

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/nicholas-fedor/shoutrrr/pkg/format"
	"github.com/nicholas-fedor/shoutrrr/pkg/router"
	"github.com/nicholas-fedor/shoutrrr/pkg/types"
)

// sendRequest is what [SendOne] reads: a URL is passed in no other way.
type sendRequest struct {
	URL   string `json:"url"`
	Title string `json:"title"`
	Text  string `json:"text"`
}

// sendReply is what [SendOne] writes.
type sendReply struct {
	Error string `json:"error"`
}

// SendOne sends one message through shoutrrr. It is all that its process does, since libraries of so
// many services may hang, or panic with a URL in the trace. It reads a request and writes a reply; the
// result is the exit code.
func SendOne(in io.Reader, out io.Writer) int {
	var o sendRequest
	err := json.NewDecoder(io.LimitReader(in, 1<<20)).Decode(&o)
	if err != nil {
		err = errors.New("cannot read what to send")
	} else {
		err = o.send()
	}
	a := sendReply{}
	if err != nil {
		a.Error = newRedactor(o.URL).clean(err.Error())
	}
	if json.NewEncoder(out).Encode(a) != nil || err != nil {
		return 1
	}
	return 0
}

// httpTimeout bounds one HTTP exchange of the services that have no bound of
// their own. It is shorter than that of the process, so that there is a reason to show.
const httpTimeout = 20 * time.Second

func (o sendRequest) send() (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the library panicked: %v", p)
		}
	}()
	result := &httpResult{next: http.DefaultTransport}
	http.DefaultClient.Transport, http.DefaultClient.Timeout = result, httpTimeout
	service, err := o.service()
	if err != nil {
		return err
	}
	if service.GetID() == "logger" {
		return errors.New("logger:// has no receiver")
	}
	message, params := o.message(service)
	if err := service.Send(message, params); err != nil {
		return err
	}
	return result.failure()
}

// service returns the one that the URL names, ready to send.
func (o sendRequest) service() (types.Service, error) {
	services := &router.ServiceRouter{}
	service, err := services.Locate(o.URL)
	switch {
	case errors.Is(err, router.ErrParseURLFailed):
		return nil, errors.New("it is not a URL such as telegram://TOKEN@telegram?chats=ID")
	case !errors.Is(err, router.ErrInitializeFailed):
		return service, err
	}
	// The router has dropped the reason.
	name, parsed, again := services.ExtractServiceName(o.URL)
	if again == nil && parsed.Scheme == name {
		if service, again = services.NewService(name); again == nil {
			again = service.Initialize(parsed, nil)
		}
	}
	if again != nil {
		err = fmt.Errorf("the URL does not suit its service: %w", again)
	}
	return nil, err
}

// shortTextLimit bounds a text for the services that refuse more than 1024 characters.
const shortTextLimit = 900

// message puts the title where the service has a place for it, else into the text.
func (o sendRequest) message(service types.Service) (string, *types.Params) {
	params, text := types.Params{}, o.Text
	config := format.NewPropKeyResolver(format.GetServiceConfig(service))
	_, err := config.Get(types.TitleKey)
	titled := err == nil
	switch service.GetID() {
	case "generic":
		template, err := config.Get("template")
		titled = err == nil && template != "" // else only the text is sent
	case "zulip":
		titled = false // it is a topic there, of at most 60 characters
	case "pushover", "pagerduty":
		text = shorten(text, shortTextLimit)
	}
	if titled {
		params.SetTitle(o.Title)
		return text, &params
	}
	return o.Title + "\n\n" + text, &params
}

// httpResult records the result of the last HTTP exchange. Some services lose errors: telegram's calls
// a message delivered when there was no connection.
type httpResult struct {
	next http.RoundTripper
	mu   sync.Mutex // guards err
	err  error
}

// RoundTrip is http.RoundTripper's.
func (l *httpResult) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := l.next.RoundTrip(req)
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case err != nil:
		l.err = fmt.Errorf("cannot reach the service: %w", err)
	case resp.StatusCode >= http.StatusBadRequest:
		l.err = fmt.Errorf("the service answers %s", strings.TrimSpace(resp.Status))
	default:
		l.err = nil // the last exchange is the one that counts
	}
	return resp, err
}

func (l *httpResult) failure() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}
