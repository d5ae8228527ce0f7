package simulator

import (
	"regexp"
	"slices"
	"strings"
)

// User is an account. Its name is also the userId in its tokens.
type User struct {
	Name    string
	Tenants []string // workspaces; with none the PAT has no tenantId
}

// DemoUsers are the accounts offered when Config.Users is nil.
func DemoUsers() []User {
	return []User{
		{Name: "alice", Tenants: []string{"acme"}},
		{Name: "bob", Tenants: []string{"beta"}},
		{Name: "carol", Tenants: []string{"acme", "beta"}},
		{Name: "dave"},
	}
}

func (u User) memberOf(tenant string) bool {
	return slices.Contains(u.Tenants, tenant)
}

// tenant is the workspace a sign-in without a question is for.
func (u User) tenant(wanted string) string {
	if u.memberOf(wanted) {
		return wanted
	}
	if len(u.Tenants) > 0 {
		return u.Tenants[0]
	}
	return ""
}

var userName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,31}$`)

// user finds an account; a name that nobody has yet becomes one, with a
// workspace of the same name.
func (s *Server) user(name string) (User, bool) {
	name = strings.ToLower(strings.TrimSpace(name))
	for _, u := range s.users {
		if u.Name == name {
			return u, true
		}
	}
	if !userName.MatchString(name) {
		return User{}, false
	}
	return User{Name: name, Tenants: []string{name}}, true
}
