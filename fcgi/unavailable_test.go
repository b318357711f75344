package fcgi

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fcgisup/fcgisup"
)

// refusing accepts on a unix socket and answers everything with Unavailable.
func refusing(t *testing.T, timeout time.Duration, errs chan<- error) *peer {
	return newPeer(t, func(_ *peer, conn net.Conn) {
		ctx, cancel := context.WithTimeout(context.Background(), timeout)
		defer cancel()
		err := Unavailable(ctx, conn, 1500*time.Millisecond)
		if errs != nil {
			errs <- err
		}
	})
}

func TestUnavailableToProbe(t *testing.T) {
	p := refusing(t, time.Minute, nil)
	response, err := Probe(within(t, time.Minute), Request{
		Network: "unix", Address: p.address, Path: "/",
		Params: map[string]string{"BIG": strings.Repeat("x", 4<<20)},
		Expect: fcgisup.Expect{Status: []fcgisup.StatusRange{{Min: 503, Max: 503}}},
	})
	if err != nil || response.Header.Get("Retry-After") != "2" || !strings.Contains(string(response.Body), "try again") {
		t.Errorf("%+v %v", response, err)
	}
	response, err = Probe(within(t, time.Minute), Request{Network: "unix", Address: p.address})
	if err != nil || len(response.Values) != 3 || response.Values["FCGI_MAX_CONNS"] != "1" {
		t.Errorf("ping: %+v %v", response, err)
	}
}

func TestUnavailable(t *testing.T) {
	begin := appendRecord(nil, typeBeginRequest, 300, []byte{0, 1, flagKeep, 0, 0, 0, 0, 0}, 0)
	params := appendRecord(nil, typeParams, 300, nil, 0)
	stdin := appendRecord(nil, typeStdin, 300, nil, 0)
	for _, tc := range []struct {
		name   string
		input  []byte
		wait   bool // for the half of the time
		answer string
	}{
		{"request", slices.Concat(begin, params, stdin), false, "503"},
		{"silent after BEGIN_REQUEST", begin, true, "503"},
		{"half a record", slices.Concat(begin, params[:5]), true, "503"},
		{"aborted", slices.Concat(begin, appendRecord(nil, typeAbortRequest, 300, nil, 0)), false, "503"},
		{"silent", nil, true, ""},
		{"an HTTP request", []byte("GET / HTTP/1.1\r\n\r\n"), false, ""},
		{"garbage inside", slices.Concat(begin, []byte("GET / HTTP/1.1\r\n\r\n")), false, "503"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			check := settled(t)
			defer check()
			t.Run("peer", func(t *testing.T) {
				timeout := time.Minute
				if tc.wait {
					timeout = hostileDeadline
				}
				start := time.Now()
				errs := make(chan error, 1)
				p := refusing(t, timeout, errs)
				conn, err := net.Dial("unix", p.address)
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close()
				if _, err := conn.Write(tc.input); err != nil {
					t.Fatal(err)
				}
				_ = conn.SetReadDeadline(time.Now().Add(time.Minute))
				answer, _ := io.ReadAll(conn) // garbage ends in a reset, which is fine
				conn.Close()
				err = <-errs
				if (err == nil) != (tc.answer != "") {
					t.Error(err)
				}
				if got := string(answer); !strings.Contains(got, tc.answer) || tc.answer == "" && got != "" {
					t.Errorf("%q", answer)
				}
				if tc.answer != "" && parseHeader(answer).id != 300 {
					t.Errorf("request id %d", parseHeader(answer).id)
				}
				if took := time.Since(start); took > timeout+slack {
					t.Errorf("took %v of %v", took, timeout)
				}
			})
		})
	}
}

func TestUnavailableSecondRequestCannotMultiplex(t *testing.T) {
	p := refusing(t, time.Minute, nil)
	conn, err := net.Dial("unix", p.address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	begin := func(id uint16) []byte { return appendRecord(nil, typeBeginRequest, id, make([]byte, 8), 0) }
	if _, err := conn.Write(slices.Concat(begin(1), begin(2), appendRecord(nil, typeStdin, 1, nil, 0))); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(conn)
	want := slices.Concat(appendEnd(nil, 2, 0, CannotMultiplex), unavailableAnswer(1, 1500*time.Millisecond))
	if !slices.Equal(got, want) || err != nil {
		t.Errorf("%q %v", got, err)
	}
}

// nginx passes our 503 on, whatever the size of the request and however it is sent.
func TestUnavailableThroughNginx(t *testing.T) {
	for _, buffering := range []string{"on", "off"} {
		t.Run("buffering "+buffering, func(t *testing.T) {
			errs := make(chan error, 100)
			p := refusing(t, 30*time.Second, errs)
			socket := startNginx(t, "fastcgi_request_buffering "+buffering+";", p.address)
			for _, size := range []int64{0, 1, 300 << 10, 5 << 20, 40 << 20} {
				response, text, err := post(t, socket, size)
				if err != nil {
					t.Fatalf("%d bytes: %v", size, err)
				}
				if response.StatusCode != 503 || response.Header.Get("Retry-After") != "2" || !strings.Contains(text, "try again") {
					t.Errorf("%d bytes: %v %q", size, response.Status, text)
				}
				if err := <-errs; err != nil {
					t.Errorf("%d bytes: %v", size, err)
				}
			}
		})
	}
}

// post sends so much on a connection of its own, and reads the answer even if it comes before all is sent: a client of net/http may
// tell of the write that failed instead.
func post(t *testing.T, socket string, size int64) (response *http.Response, text string, err error) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), "POST", "http://x/", io.LimitReader(endless{}, size))
	if err != nil {
		return nil, "", err
	}
	request.ContentLength, request.Close = size, true
	if size == 0 {
		request.Body = http.NoBody
	}
	conn, err := net.Dial("unix", socket)
	if err != nil {
		return nil, "", err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		return nil, "", err
	}
	failed := request.Write(conn)
	response, err = http.ReadResponse(bufio.NewReader(conn), request)
	if err != nil {
		return nil, "", errors.Join(failed, err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return response, string(body), err
}

// nginx moves on from a 503 to the next backend.
func TestUnavailableMovesNginxOn(t *testing.T) {
	bad := refusing(t, 30*time.Second, nil)
	alive := newPeer(t, answering(out(good), end(0, 0)))
	client := httpClient(t, startNginx(t, "fastcgi_next_upstream error http_503;", bad.address, alive.address))
	for range 4 {
		response, err := client.Get("http://x/")
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != 200 {
			t.Error(response.Status)
		}
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

// A client that has gone is reported, not waited for.
func TestUnavailableToNobody(t *testing.T) {
	errs := make(chan error, 1)
	p := refusing(t, time.Minute, errs)
	conn, err := net.Dial("unix", p.address)
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	if err := <-errs; err != nil && !errors.Is(err, io.EOF) {
		t.Error(err)
	}
}

func TestUnavailableCloses(t *testing.T) {
	for _, input := range []string{"", "garbage", string(appendRecord(nil, typeBeginRequest, 1, make([]byte, 8), 0))} {
		client, server := net.Pipe()
		done := make(chan error, 1)
		go func() { done <- Unavailable(within(t, hostileDeadline), server, time.Second) }()
		if _, err := client.Write([]byte(input)); err != nil && input != "" {
			t.Error(err)
		}
		_ = client.SetReadDeadline(time.Now().Add(patient))
		if _, err := io.Copy(io.Discard, client); err != nil {
			t.Errorf("%q: %v", input, err)
		}
		<-done
		client.Close()
	}
}
