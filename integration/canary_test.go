package integration

import (
	"bytes"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// kind is a kind of secret.
type kind string

const (
	accessToken  kind = "access token"
	refreshToken kind = "refresh token"
	code         kind = "authorization code"
	verifier     kind = "code verifier"
	clientSecret kind = "client secret"
	cookie       kind = "cookie of the gateway"
	jobHandle    kind = "handle of a job"
	planted      kind = "planted value"
)

// shortest is the length from which a value is taken for a secret: shorter
// ones would be found by chance.
const shortest = 12

// canaries are the secrets of one test. They are noted where they are made,
// and looked for wherever they must not be.
type canaries struct {
	mu    sync.Mutex
	kinds map[string]kind // by value
}

func (c *canaries) note(k kind, value string) {
	if len(value) < shortest {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.kinds == nil {
		c.kinds = map[string]kind{}
	}
	c.kinds[value] = k
	if escaped := url.QueryEscape(value); escaped != value {
		c.kinds[escaped] = k
	}
	// What is left of a token that was cut, or taken apart.
	if parts := strings.Split(value, "."); k == accessToken && len(parts) == 3 {
		c.kinds[parts[1]], c.kinds[parts[2]] = k, k
	}
}

// knows tells whether a value is a secret of that kind.
func (c *canaries) knows(k kind, value string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.kinds[value] == k
}

// absent fails the test where data holds a secret, of kinds other than those
// that belong there.
func (c *canaries) absent(t testing.TB, where string, data []byte, belong ...kind) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	for value, k := range c.kinds {
		at := bytes.Index(data, []byte(value))
		if at < 0 || slices.Contains(belong, k) {
			continue
		}
		from, to := max(0, at-200), min(len(data), at+len(value)+80)
		t.Errorf("%s: the %s %q is in there: …%s…", where, k, value, data[from:to])
	}
}

// absentBelow is absent for all files below a directory.
func (c *canaries) absentBelow(t testing.TB, dir string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		c.absent(t, "the file "+filepath.Base(path), data)
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}
