package alert

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"unicode"
	"unicode/utf8"

	"github.com/fcgisup/fcgisup"
)

// maxURL bounds a notification URL and the file around it, in bytes.
const maxURL = 8 << 10

// secretURL returns the notification URL of a receiver. It reads the file each time, so
// that a change needs no reload.
func secretURL(t fcgisup.Receiver, getenv func(string) string) (string, error) {
	if t.URLEnv != "" {
		v := getenv(t.URLEnv)
		if v == "" {
			return "", fmt.Errorf("the environment has no %s", t.URLEnv)
		}
		url, err := onlyURL(v)
		if err != nil {
			return "", fmt.Errorf("cannot use the variable %s: %w", t.URLEnv, err)
		}
		return url, nil
	}
	text, err := readSecret(t.URLFile)
	if err != nil {
		return "", err
	}
	url, err := onlyURL(text)
	if err != nil {
		return "", fmt.Errorf("cannot use %s: %w", t.URLFile, err)
	}
	return url, nil
}

// CheckFile returns why this process cannot use a receiver's file, nil if it
// can. The error names the file and quotes nothing of it.
func CheckFile(path string) error {
	_, err := secretURL(fcgisup.Receiver{URLFile: path}, nil)
	return err
}

// readSecret refuses a file that others may read, or another user may write: as
// ssh does with keys. One of root may be its group's, for a monitor that is not root.
func readSecret(path string) (string, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return "", fmt.Errorf("cannot read the URL: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", fmt.Errorf("cannot read the URL: %w", err)
	}
	if !info.Mode().IsRegular() {
		return "", fmt.Errorf("cannot read the URL: %s is not a regular file", path)
	}
	owner, mode := info.Sys().(*syscall.Stat_t).Uid, info.Mode().Perm()
	switch {
	case owner != 0 && owner != uint32(os.Geteuid()):
		return "", fmt.Errorf("%s belongs to user %d: that user could redirect the alerts (chown it to root, or to the monitor's user)", path, owner)
	case owner == 0 && mode&0o037 == 0:
	case mode&0o077 != 0:
		return "", fmt.Errorf("%s has mode %#o: others can use the secret in it (chmod 600 %s)", path, mode, path)
	}
	text, err := io.ReadAll(io.LimitReader(f, maxURL+1))
	if err != nil {
		return "", fmt.Errorf("cannot read the URL: %w", err)
	}
	return string(text), nil
}

// onlyURL is the one line that is neither empty nor a comment. Its errors quote nothing.
func onlyURL(text string) (string, error) {
	if len(text) > maxURL {
		return "", fmt.Errorf("holds more than %d KiB", maxURL>>10)
	}
	url := ""
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if url != "" {
			return "", errors.New("holds more than one line; each receiver has one URL")
		}
		url = line
	}
	switch {
	case url == "":
		return "", errors.New("holds no URL")
	case !utf8.ValidString(url) || strings.ContainsFunc(url, unicode.IsControl):
		return "", errors.New("holds a control character or is not UTF-8")
	}
	return url, nil
}
