package fcgisup

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestCheckTrust builds trees in a directory that only its owner can write; each
// case changes one component.
func TestCheckTrust(t *testing.T) {
	uid := os.Getuid()
	if uid != 0 {
		t.Skip("makes files of other users; run as root")
	}
	const other = 65534
	for name, tc := range map[string]struct {
		change func(dir string) error
		want   string // part of the error; empty: trusted
	}{
		"all ours":            {func(string) error { return nil }, ""},
		"file of another":     {func(d string) error { return os.Chown(d+"/a/b/f", other, 0) }, "/a/b/f belongs to user "},
		"file for the group":  {func(d string) error { return os.Chmod(d+"/a/b/f", 0o664) }, "/a/b/f can be written by other users, its mode is 0664"},
		"directory for all":   {func(d string) error { return os.Chmod(d+"/a/b", 0o777) }, "/a/b can be written by other users"},
		"sticky directory":    {func(d string) error { return os.Chmod(d+"/a/b", 0o777|os.ModeSticky) }, "/a/b can be written"},
		"directory of other":  {func(d string) error { return os.Chown(d+"/a/b", other, 0) }, "/a/b belongs to user "},
		"above for all":       {func(d string) error { return os.Chmod(d+"/a", 0o777) }, "/a can be written"},
		"above sticky":        {func(d string) error { return os.Chmod(d+"/a", 0o777|os.ModeSticky) }, ""},
		"above of another":    {func(d string) error { return os.Chown(d+"/a", other, 0) }, "/a belongs to user "},
		"readable by all":     {func(d string) error { return os.Chmod(d+"/a/b/f", 0o644) }, ""},
		"missing":             {func(d string) error { return os.Remove(d + "/a/b/f") }, "no such file"},
		"link to ours":        {func(d string) error { return link(d, d+"/g") }, ""},
		"link, relative":      {func(d string) error { return link(d, "../../g") }, ""},
		"link of another":     {func(d string) error { return first(link(d, d+"/g"), os.Lchown(d+"/a/b/f", other, 0)) }, "/a/b/f belongs to user "},
		"link to another's":   {func(d string) error { return first(link(d, d+"/g"), os.Chown(d+"/g", other, 0)) }, "/g belongs to user "},
		"link in an open dir": {func(d string) error { return first(link(d, d+"/g"), os.Chmod(d+"/a/b", 0o777)) }, "/a/b can be written"},
		"link to itself":      {func(d string) error { return link(d, d+"/a/b/f") }, "too many levels of symbolic links"},
		"link above":          {func(d string) error { return first(os.Rename(d+"/a/b", d+"/c"), os.Symlink("../c", d+"/a/b")) }, ""},
		"link above, open": {func(d string) error {
			return first(os.Rename(d+"/a/b", d+"/c"), os.Symlink("../c", d+"/a/b"), os.Chmod(d+"/c", 0o777))
		}, "/c can be written"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			err := first(os.MkdirAll(dir+"/a/b", 0o755), os.WriteFile(dir+"/a/b/f", nil, 0o600), os.WriteFile(dir+"/g", nil, 0o600), tc.change(dir))
			if err != nil {
				t.Fatal(err)
			}
			err = CheckTrust(filepath.Join(dir, "a/b/f"), uid)
			if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
}

func link(dir, target string) error {
	return first(os.Remove(dir+"/a/b/f"), os.Symlink(target, dir+"/a/b/f"))
}

func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
