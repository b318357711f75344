package main

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/cavaliergopher/cpio"
	"github.com/klauspost/compress/zstd"
)

// contents are the files that a package installs: path to mode and checksum, or to the target of a link.
type contents map[string]string

// samePackages compares the files of packages of different formats with those of the first.
func samePackages(w io.Writer, paths []string) error {
	want, err := contentsOf(paths[0])
	if err != nil {
		return err
	}
	if len(want) == 0 {
		return fmt.Errorf("%s has no files", paths[0])
	}
	var wrong []error
	for _, path := range paths[1:] {
		got, err := contentsOf(path)
		if err != nil {
			return err
		}
		wrong = append(wrong, differences(paths[0], path, want, got))
	}
	if err := errors.Join(wrong...); err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "%d files, the same in %s\n", len(want), strings.Join(paths, ", "))
	return err
}

func differences(a, b string, want, got contents) error {
	all := maps.Clone(want)
	maps.Copy(all, got)
	var wrong []error
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if want[name] != got[name] {
			wrong = append(wrong, fmt.Errorf("%s: %q in %s, %q in %s", name, want[name], a, got[name], b))
		}
	}
	return errors.Join(wrong...)
}

func contentsOf(path string) (contents, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var c contents
	switch {
	case strings.HasSuffix(path, ".rpm"):
		c, err = contentsOfRPM(f)
	case strings.HasSuffix(path, ".deb"):
		c, err = contentsOfDeb(f)
	case strings.HasSuffix(path, ".apk"), strings.HasSuffix(path, ".tar.gz"):
		c, err = contentsOfGzip(f)
	case strings.HasSuffix(path, ".pkg.tar.zst"):
		var z *zstd.Decoder
		if z, err = zstd.NewReader(f); err == nil {
			defer z.Close()
			c, err = contentsOfTar(z)
		}
	default:
		err = errors.New("unknown format")
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read %s: %w", path, err)
	}
	return c, nil
}

// contentsOfTar leaves out directories, and what describes the package: names in the root that begin with a dot.
func contentsOfTar(r io.Reader) (contents, error) {
	c := contents{}
	for in := tar.NewReader(r); ; {
		h, err := in.Next()
		if errors.Is(err, io.EOF) {
			return c, nil
		}
		if err != nil {
			return nil, err
		}
		name := strings.TrimPrefix(strings.TrimPrefix(h.Name, "."), "/")
		switch {
		case strings.HasPrefix(h.Name, ".") && !strings.Contains(name, "/"), h.Typeflag == tar.TypeDir:
		case h.Typeflag == tar.TypeSymlink:
			c[name] = "link to " + h.Linkname
		default:
			sum := sha256.New()
			if _, err := io.Copy(sum, in); err != nil {
				return nil, err
			}
			c[name] = described(h.FileInfo().Mode(), h.Uid, sum.Sum(nil))
		}
	}
}

func described(mode fs.FileMode, uid int, sum []byte) string {
	return fmt.Sprintf("%v owner %d %x", mode.Perm(), uid, sum)
}

// contentsOfGzip reads one archive, or, as apk has them, several one after the other.
func contentsOfGzip(r io.Reader) (contents, error) {
	z, err := gzip.NewReader(r)
	if err != nil {
		return nil, err
	}
	return contentsOfTar(z)
}

// contentsOfDeb finds data.tar.gz in an archive of ar(1).
func contentsOfDeb(r io.Reader) (contents, error) {
	in := bufio.NewReader(r)
	if _, err := in.Discard(len("!<arch>\n")); err != nil {
		return nil, err
	}
	for {
		var head [60]byte
		if _, err := io.ReadFull(in, head[:]); err != nil {
			return nil, err
		}
		size, err := strconv.ParseInt(strings.TrimSpace(string(head[48:58])), 10, 64)
		if err != nil {
			return nil, err
		}
		if bytes.HasPrefix(head[:], []byte("data.tar.gz")) {
			return contentsOfGzip(io.LimitReader(in, size))
		}
		if _, err := in.Discard(int(size + size%2)); err != nil {
			return nil, err
		}
	}
}

// contentsOfRPM reads the archive of cpio(1) behind the lead and two headers.
func contentsOfRPM(r io.Reader) (contents, error) {
	in := bufio.NewReader(r)
	if _, err := in.Discard(96); err != nil {
		return nil, err
	}
	for n := range 2 {
		var head [16]byte
		if _, err := io.ReadFull(in, head[:]); err != nil {
			return nil, err
		}
		size := 16*int(binary.BigEndian.Uint32(head[8:])) + int(binary.BigEndian.Uint32(head[12:]))
		if n == 0 { // the signature is padded
			size = (size + 7) &^ 7
		}
		if _, err := in.Discard(size); err != nil {
			return nil, err
		}
	}
	z, err := gzip.NewReader(in)
	if err != nil {
		return nil, err
	}
	c := contents{}
	for archive := cpio.NewReader(z); ; {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return c, nil
		}
		if err != nil {
			return nil, err
		}
		name := strings.TrimPrefix(strings.TrimPrefix(h.Name, "."), "/")
		switch mode := h.FileInfo().Mode(); {
		case mode.IsDir():
		case h.Linkname != "":
			c[name] = "link to " + h.Linkname
		default:
			sum := sha256.New()
			if _, err := io.Copy(sum, archive); err != nil {
				return nil, err
			}
			c[name] = described(mode, h.Uid, sum.Sum(nil))
		}
	}
}
