package cookies

import (
	"fmt"
	"net/http"
	"net/url"
	"time"
)

const (
	// securePrefix is for what can't have hostPrefix since it is kept to one path
	// (RFC 6265bis §4.1.3.1).
	securePrefix = "__Secure-"

	// fragmentAge is how long the fragment of a page waits for the sign-in to end.
	fragmentAge = 10 * time.Minute
	// MaxFragment is the length of what the cookie holds, in bytes.
	MaxFragment = 2 << 10
)

func (c Config) fragmentPrefix() string { return c.Name + afterFragment }

// ScriptCookie is a cookie that a script on one of the gateway's pages sets:
// what it writes before the value, and after.
type ScriptCookie struct{ Name, Attributes string }

// FragmentCookie is the cookie a page hands the fragment of its address over in
// while a flow is under way. Only browsers know it, so a script has to; only the
// callback at path is sent it. It is neither signed nor secret: whoever could
// set it could as well send the person to a page with that fragment.
func (j *Jar) FragmentCookie(site Site, state, path string) ScriptCookie {
	attributes := fmt.Sprintf("; Path=%s; Max-Age=%d; SameSite=Lax", path, int(fragmentAge/time.Second))
	if site.Secure {
		attributes += "; Secure"
	}
	return ScriptCookie{Name: j.fragmentName(site, state), Attributes: attributes}
}

// Fragment is what the browser brings of a flow's fragment, as its script took
// it from the address; "" for none. It is the client's word.
func (j *Jar) Fragment(r *http.Request, site Site, state string) (raw string, sentAny bool) {
	value, count := sent(r, j.fragmentName(site, state))
	if count != 1 || len(value) > MaxFragment {
		return "", count > 0
	}
	raw, err := url.PathUnescape(value)
	if err != nil {
		return "", true
	}
	return raw, true
}

// ClearFragment takes the fragment of a flow away.
func (j *Jar) ClearFragment(h http.Header, site Site, state, path string) {
	j.clearFragment(h, site, flowSuffix(state), path)
}

func (j *Jar) clearFragment(h http.Header, site Site, suffix, path string) {
	set(h, http.Cookie{
		Name: j.fragmentNameOf(site, suffix), Path: path, Secure: site.Secure, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	}, "", 0)
}

func (j *Jar) fragmentName(site Site, state string) string {
	return j.fragmentNameOf(site, flowSuffix(state))
}

func (j *Jar) fragmentNameOf(site Site, suffix string) string {
	name := j.cfg.fragmentPrefix() + suffix
	if site.Secure {
		return securePrefix + name
	}
	return name
}
