// Command hello-go is a FastCGI program on net/http/fcgi, serving the listener on fd 0.
// The paths it answers are listed in testdata/apps/README.md.
package main

import (
	"crypto/sha1"
	"fmt"
	"io"
	"net/http"
	"net/http/fcgi"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

func main() {
	var count atomic.Int64
	mux := http.NewServeMux()
	page := func(path string, answer func(http.ResponseWriter, *http.Request)) {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/plain")
			answer(w, r)
			fmt.Fprintf(w, "pid %d\n", os.Getpid())
		})
	}
	page("/{$}", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "hello") })
	page("/sleep", sleep)
	page("/echo", echo)
	page("/die", func(http.ResponseWriter, *http.Request) { panic("asked to die") })
	page("/env", func(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, os.Getenv(r.URL.RawQuery)) })
	page("/count", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintf(w, "count %d\n", count.Load()) })
	mux.HandleFunc("/big", big)

	err := fcgi.Serve(nil, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		count.Add(1)
		mux.ServeHTTP(w, r)
	}))
	fmt.Fprintf(os.Stderr, "hello-go: %v\n", err)
	os.Exit(1)
}

func number(r *http.Request, key string) int64 {
	n, err := strconv.ParseInt(r.URL.Query().Get(key), 10, 64)
	if err != nil {
		return 0
	}
	return n
}

func sleep(w http.ResponseWriter, r *http.Request) {
	ms := number(r, "ms")
	time.Sleep(time.Duration(ms) * time.Millisecond)
	fmt.Fprintf(w, "slept %d\n", ms)
}

func echo(w http.ResponseWriter, r *http.Request) {
	sum := sha1.New()
	n, err := io.Copy(sum, r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	fmt.Fprintf(w, "length %d\nsha1 %x\n", n, sum.Sum(nil))
}

func big(w http.ResponseWriter, r *http.Request) {
	chunk := strings.Repeat("x", 65536)
	for left := number(r, "bytes"); left > 0; left -= int64(len(chunk)) {
		if _, err := io.WriteString(w, chunk[:min(left, int64(len(chunk)))]); err != nil {
			return
		}
	}
}
