package term

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
)

const (
	shortestToken = 16
	longestToken  = 4096
)

// ReadToken reads the file's only line. An error never quotes it.
func ReadToken(path string) (string, error) {
	hint := "openssl rand -hex 32 >" + path + "; chmod 600 " + path
	token, err := tokenOf(path)
	if err != nil {
		return "", &ExitError{Code: ExitUsage, Hint: hint, Cause: fmt.Errorf("cannot use the token file %s: %w", path, err)}
	}
	return token, nil
}

func tokenOf(path string) (string, error) {
	// A pipe without a writer must not hold us up: it is empty.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return "", errors.Unwrap(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", errors.Unwrap(err)
	}
	if info.Mode().Perm()&0o007 != 0 {
		return "", fmt.Errorf("every user can use it: its mode is %04o", info.Mode().Perm())
	}
	data, err := io.ReadAll(io.LimitReader(f, longestToken+1))
	if err != nil {
		return "", errors.Unwrap(err)
	}
	token := strings.TrimSpace(string(data))
	switch {
	case len(token) < shortestToken:
		return "", fmt.Errorf("the token has %d characters, and needs at least %d", len(token), shortestToken)
	case len(data) > longestToken, strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }):
		return "", errors.New("it is not one line of printable ASCII")
	}
	return token, nil
}
