package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/finding"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/term"
)

// Doctor is one "fcgisup doctor".
type Doctor struct {
	*term.Env
	JSON   bool
	Binary string
}

// Run gathers the facts, applies the rules and reports what they find.
func (d *Doctor) Run(ctx context.Context) error {
	cfg, err := d.LoadHere()
	if errors.Is(err, fcgisup.ErrNoConfig) {
		cfg, err = nil, nil
	}
	if err != nil {
		return err
	}
	waiting := d.Progress("examining this host")
	f, err := d.gather(ctx, cfg)
	waiting.Done()
	if err != nil {
		return fmt.Errorf("cannot examine this host: %w", err)
	}
	found := examine(f, false)
	if err := d.print(f, found); err != nil {
		return err
	}
	if countOf(found, finding.Error) > 0 {
		return term.Exit(term.ExitFail)
	}
	return nil
}

func (d *Doctor) print(f *facts, found []finding.Finding) error {
	if !d.JSON {
		return printFindings(d.Out, f.looked(), found, d.Colour())
	}
	text, err := json.MarshalIndent(found, "", "  ")
	if err != nil {
		return fmt.Errorf("internal error: %w", err)
	}
	_, err = fmt.Fprintf(d.Out, "%s\n", text)
	return err
}
