package report

import (
	"fmt"
	"os"
	"path/filepath"
)

// The files of a report in its directory, beside a NAME.svg for each plot.
const (
	JSONName     = "benchmarks.json"
	MarkdownName = "benchmarks.md"
)

// Write writes the report into a directory, which it makes. Tables of an earlier run that this one has not measured stay.
func (r Report) Write(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("cannot make the output directory: %w", err)
	}
	path := filepath.Join(dir, JSONName)
	if old, err := os.ReadFile(path); err == nil {
		earlier, err := Parse(old)
		if err != nil {
			return fmt.Errorf("cannot add to %s: %w", path, err)
		}
		r = Merge(earlier, r)
	}
	data, err := r.JSON()
	if err != nil {
		return err
	}
	if err := replace(path, data); err != nil {
		return err
	}
	if err := replace(filepath.Join(dir, MarkdownName), []byte("# Benchmarks\n\n"+r.Markdown(""))); err != nil {
		return err
	}
	return r.writePlots(dir, "")
}

// InsertInto puts the report between the marks of a page, and its plots beside the page with a prefix to their names.
func (r Report) InsertInto(path, prefix string) error {
	page, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("cannot insert the report: %w", err)
	}
	page, err = Insert(page, r.Markdown(prefix))
	if err != nil {
		return err
	}
	if err := replace(path, page); err != nil {
		return err
	}
	return r.writePlots(filepath.Dir(path), prefix)
}

func (r Report) writePlots(dir, prefix string) error {
	for _, t := range r.Tables {
		for _, p := range t.Plots {
			if err := replace(filepath.Join(dir, prefix+p.Name+".svg"), p.SVG()); err != nil {
				return err
			}
		}
	}
	return nil
}

// replace writes beside, flushes, and renames: no reader sees half a file.
func replace(path string, data []byte) error {
	file, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-")
	if err != nil {
		return fmt.Errorf("cannot write %s: %w", path, err)
	}
	defer os.Remove(file.Name())
	defer file.Close()
	if _, err := file.Write(data); err != nil {
		return fmt.Errorf("cannot write %s: %w", path, err)
	}
	if err := file.Chmod(0o644); err != nil {
		return fmt.Errorf("cannot write %s: %w", path, err)
	}
	if err := file.Sync(); err != nil {
		return fmt.Errorf("cannot write %s: %w", path, err)
	}
	if err := os.Rename(file.Name(), path); err != nil {
		return fmt.Errorf("cannot write %s: %w", path, err)
	}
	return nil
}
