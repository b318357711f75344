package units

import (
	"slices"
	"testing"
)

func TestMissingMounts(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	gone := dir + "/gone"
	for name, test := range map[string]struct {
		p    properties
		want []string
	}{
		"none":            {properties{}, nil},
		"there":           {properties{"ReadWritePaths": []string{dir, "+" + dir}}, nil},
		"may be missing":  {properties{"ReadWritePaths": []string{"-" + gone, "-+" + gone}, "BindPaths": [][]any{{gone, dir, true, uint64(0)}}}, nil},
		"missing":         {properties{"ReadWritePaths": []string{gone, "+" + gone}, "InaccessiblePaths": []string{gone}}, []string{"ReadWritePaths=" + gone, "ReadWritePaths=" + gone, "InaccessiblePaths=" + gone}},
		"a bind":          {properties{"BindReadOnlyPaths": [][]any{{gone, "/x", false, uint64(0)}, {gone}}}, []string{"BindReadOnlyPaths=" + gone}},
		"another root":    {properties{"RootDirectory": dir, "ReadWritePaths": []string{gone}}, nil},
		"of another type": {properties{"ReadWritePaths": 7, "BindPaths": "x"}, nil},
	} {
		if got := missingMounts(test.p); !slices.Equal(got, test.want) {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}
