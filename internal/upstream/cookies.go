package upstream

import "strings"

// serviceCookie ends the names of cookies in which instances of the platform
// accept a service token.
const serviceCookie = ".sat"

// cookiePrefixes are the name prefixes that browsers recognise in any case,
// longest first where one begins another.
var cookiePrefixes = []string{"__Host-Http-", "__Host-", "__Http-", "__Secure-"}

// cutCookieLines returns the lines of a Cookie field without the cookies that
// must not reach the upstream. Lines it changes are replaced in place; all
// other cookies stay byte-identical.
func (h *Hygiene) cutCookieLines(lines []string) []string {
	kept := lines[:0]
	for _, line := range lines {
		if cut := h.cutCookies(line); cut != "" {
			kept = append(kept, cut)
		}
	}
	return kept
}

// cutCookies returns one Cookie line without the gateway's cookies and the
// service cookies; empty when no cookie is left.
func (h *Hygiene) cutCookies(line string) string {
	var (
		kept  strings.Builder
		start int  // of the run of pairs that stay and are not copied yet
		last  bool // was the last pair cut?
	)
	for pos := 0; pos <= len(line); {
		end := len(line)
		if i := strings.IndexByte(line[pos:], ';'); i >= 0 {
			end = pos + i
		}
		name := cookieName(line[pos:end])
		last = h.owns(name) || isServiceCookie(name)
		if last {
			if start < pos {
				kept.Grow(len(line))
				kept.WriteString(line[start:pos])
			}
			start = end + 1
		}
		pos = end + 1
	}
	if start == 0 {
		return line
	}
	rest := line[min(start, len(line)):]
	if kept.Len() > 0 {
		kept.WriteString(rest)
		rest = kept.String()
	}
	if last {
		rest = strings.TrimSuffix(rest, ";")
	}
	if strings.Trim(rest, "; \t") == "" {
		return ""
	}
	return strings.TrimLeft(rest, " \t")
}

// cookieName returns the name under which a browser or an upstream may know the
// cookie pair, a Set-Cookie line cut at its first semicolon or an element of a
// Cookie line. A pair without a name ("=a=b", or just "a") is sent back without
// the sign in front and then has one, so it is read that way here.
func cookieName(pair string) string {
	pair = strings.TrimLeftFunc(pair, func(c rune) bool { return c == '=' || isBlank(c) })
	name, _, _ := strings.Cut(pair, "=")
	return strings.TrimRightFunc(name, isBlank)
}

// isBlank is generous: what some reader might trim is not part of a name. That
// includes non-breaking spaces, which JavaScript trims.
func isBlank(c rune) bool {
	return c <= ' ' || c >= 0x7f
}

// isServiceCookie reports whether the cookie may carry a service token.
func isServiceCookie(name string) bool {
	tail := len(name) - len(serviceCookie)
	return tail >= 0 && strings.EqualFold(name[tail:], serviceCookie)
}

// owns reports whether a cookie of that name would stand for one of the
// gateway's own. Browsers compare names exactly but prefixes in any case, so
// __HOST-x is as good as __Host-x in a quarrel about who set it.
func (h *Hygiene) owns(name string) bool {
	if name == "" {
		return false
	}
	if h.ownsCookie(name) {
		return true
	}
	for _, prefix := range cookiePrefixes {
		if len(name) < len(prefix) || !strings.EqualFold(name[:len(prefix)], prefix) {
			continue
		}
		return name[:len(prefix)] != prefix && h.ownsCookie(prefix+name[len(prefix):])
	}
	return false
}
