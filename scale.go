package fcgisup

import (
	"fmt"
	"slices"
)

// Scale gives the named apps another number of instances, as --instances does.
// The error says why the file's addresses do not allow it; the configuration is
// of no use then.
func (c *Config) Scale(n int, names []string) error {
	if n < 1 || n > MaxInstances {
		return fmt.Errorf("%d instances are not between 1 and %d", n, MaxInstances)
	}
	taken := claims{}
	for i := range c.Apps {
		a := &c.Apps[i]
		if slices.Contains(names, a.Name) {
			a.Instances = n
			if err := a.Listen.check(n); err != nil {
				return fmt.Errorf("apps.%s.listen: %w", a.Name, err)
			}
			if err := a.Health.Address.check(n); err != nil && !a.Health.Address.IsZero() {
				return fmt.Errorf("apps.%s.health.address: %w", a.Name, err)
			}
		}
		for _, instance := range a.Expand() {
			if other, ok := taken.claim(instance); !ok {
				return fmt.Errorf("%s and %s would both listen on %s", other, instance, instance.Address)
			}
		}
	}
	return nil
}
