package main

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
)

// sameProgram checks that an OCI archive has an image for each ARCH=BINARY, whose only file is the binary.
func sameProgram(archive string, binaries []string) error {
	dir, err := os.MkdirTemp("", "fcgisup-image-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	f, err := os.Open(archive)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := unpack(f, dir); err != nil {
		return fmt.Errorf("cannot unpack %s: %w", archive, err)
	}
	index, err := layout.ImageIndexFromPath(dir)
	if err != nil {
		return err
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		return err
	}
	if len(manifest.Manifests) != len(binaries) {
		return fmt.Errorf("%s has %d images, not %d", archive, len(manifest.Manifests), len(binaries))
	}
	for n, m := range manifest.Manifests {
		arch, binary, _ := strings.Cut(binaries[n], "=")
		if m.Platform == nil || m.Platform.Architecture != arch {
			return fmt.Errorf("%s: image %d is for %v, not %s", archive, n+1, m.Platform, arch)
		}
		image, err := index.Image(m.Digest)
		if err != nil {
			return err
		}
		if err := holds(image, binary); err != nil {
			return fmt.Errorf("%s: the image for %s: %w", archive, arch, err)
		}
	}
	return nil
}

func holds(image v1.Image, binary string) error {
	want, err := os.ReadFile(binary)
	if err != nil {
		return err
	}
	layers, err := image.Layers()
	if err != nil || len(layers) != 1 {
		return fmt.Errorf("%d layers, %w", len(layers), err)
	}
	files, err := layers[0].Uncompressed()
	if err != nil {
		return err
	}
	defer files.Close()
	found := false
	for in := tar.NewReader(files); ; {
		h, err := in.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if h.Typeflag == tar.TypeDir {
			continue
		}
		got, err := io.ReadAll(in)
		if err != nil {
			return err
		}
		if h.Name != imagePath || !bytes.Equal(got, want) {
			return fmt.Errorf("%s is not %s", h.Name, binary)
		}
		found = true
	}
	if !found {
		return errors.New("no program")
	}
	return nil
}

// unpack writes the files of an archive that this program has written.
func unpack(r io.Reader, dir string) error {
	for in := tar.NewReader(r); ; {
		h, err := in.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		path := filepath.Join(dir, filepath.Clean("/"+h.Name))
		if h.Typeflag == tar.TypeDir {
			if err := os.MkdirAll(path, 0o755); err != nil {
				return err
			}
			continue
		}
		text, err := io.ReadAll(in)
		if err != nil {
			return err
		}
		if err := os.WriteFile(path, text, 0o644); err != nil {
			return err
		}
	}
}
