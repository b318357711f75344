package show

import (
	"fmt"
	"io"
	"strings"

	"github.com/fcgisup/fcgisup/supervisor/control"
)

// outputs says below the table what the programs of failing instances printed,
// those that printed the same together.
func outputs(w io.Writer, all []control.Status) error {
	which := map[string][]string{}
	var texts []string
	for _, st := range all {
		if text := control.FirstLines(st.LastFailure); text != "" && st.State == control.InstanceFailing {
			if which[text] == nil {
				texts = append(texts, text)
			}
			which[text] = append(which[text], fmt.Sprintf("%s@%d", st.App, st.Instance))
		}
	}
	for _, text := range texts {
		if _, err := fmt.Fprintf(w, "%s printed: %s\n", strings.Join(which[text], ", "), text); err != nil {
			return err
		}
	}
	return nil
}
