package capacity

import (
	"os"
	"path/filepath"
	"testing"
)

// TestRead: the least of all control groups on the way up counts, and what cannot be read bounds nothing.
func TestRead(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		own   string
		files map[string]string
		want  Limits
	}{
		{"nothing known", "", nil, Limits{CPUs: 4}},
		{"no quota", "0::/\n", map[string]string{"cpu.max": "max 100000\n", "memory.max": "max\n"}, Limits{CPUs: 4}},
		{"a container that sees its own group", "0::/\n", map[string]string{"cpu.max": "150000 100000\n", "memory.max": "536870912\n"}, Limits{CPUs: 1.5, Quota: true, Memory: 512 << 20}},
		{"the slice above has less", "12:cpu:/x\n0::/system.slice/a.service\n", map[string]string{
			"system.slice/cpu.max": "50000 100000\n", "system.slice/a.service/cpu.max": "200000 100000\n",
			"system.slice/memory.max": "1000\n", "system.slice/a.service/memory.max": "2000\n",
		}, Limits{CPUs: 0.5, Quota: true, Memory: 1000}},
		{"more than the machine has", "0::/\n", map[string]string{"cpu.max": "800000 100000\n"}, Limits{CPUs: 4}},
		{"a group outside the namespace", "0::/../../other\n", map[string]string{"cpu.max": "100000 100000\n"}, Limits{CPUs: 1, Quota: true}},
		{"garbage", "0::/\n", map[string]string{"cpu.max": "1 0\n", "memory.max": "lots\n"}, Limits{CPUs: 4}},
		{"only one field", "0::/\n", map[string]string{"cpu.max": "100000\n"}, Limits{CPUs: 4}},
	} {
		root := t.TempDir()
		for name, text := range c.files {
			path := filepath.Join(root, name)
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if got := read(root, []byte(c.own), 4); got != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
	if got := Read(); got.CPUs <= 0 {
		t.Errorf("this machine: %+v", got)
	}
}
