//go:build programs

package e2e

import (
	"os/exec"
	"testing"
)

// TestManifests decodes what "fcgisup gen kubernetes" renders into the types of Kubernetes' API, in testdata/engines: a module
// of its own, whose libraries are not those of fcgisup.
func TestManifests(t *testing.T) {
	inTurn(t, heavy)
	command := exec.Command("go", "test", "-count=1", "-buildvcs=false", ".")
	command.Dir = "../../testdata/engines"
	if out, err := command.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
