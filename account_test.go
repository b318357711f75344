package fcgisup

import "testing"

func TestParseID(t *testing.T) {
	for text, want := range map[string]int{"0": 0, "33": 33, "65534": 65534, "4294967294": 4294967294} {
		if got, err := ParseID(text); err != nil || got != want {
			t.Errorf("%q: %d, %v", text, got, err)
		}
	}
	for _, text := range []string{"", " 33", "www-data", "-1", "+1", "0x21", "4294967295", "4294967296", "18446744073709551616", "33\n"} {
		if got, err := ParseID(text); err == nil || got != 0 {
			t.Errorf("%q: %d, %v; want an error", text, got, err)
		}
	}
}
