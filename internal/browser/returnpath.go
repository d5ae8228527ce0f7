package browser

import (
	"net/url"
	"strings"
)

const (
	// maxReturnPath bounds a return path in bytes: it travels in a cookie.
	maxReturnPath = 2048
	// maxDecodings bounds how often a path may be percent-encoded over itself.
	// Nothing legitimate does it more than once.
	maxDecodings = 3
)

// home is where a sign-in ends when nothing better may be trusted.
const home = "/"

// escapeUnsafe encodes what browsers would encode anyway (WHATWG URL, the query
// percent-encode set) and a Location header had better not contain.
var escapeUnsafe = strings.NewReplacer(" ", "%20", `"`, "%22", "<", "%3C", ">", "%3E", "`", "%60")

// ReturnPath returns the path, query and fragment on the site's own origin that
// raw asks to go to after sign-in, or "/" where raw is anything else (RFC 9700 §4.11).
// Nothing under endpoints, the prefix of the gateway's own paths, is accepted in
// any reading of the path: a sign-in must not end in another, or in a sign-out.
//
// raw is judged as it is, before any parser can tidy it, and no part of it is
// percent-decoded into the result. A fragment that is odd, or one too many for
// the bound, is dropped. The result is stable under ReturnPath, so that it can be
// checked again when it is used.
func ReturnPath(raw, endpoints string) string {
	raw, fragment, _ := strings.Cut(raw, "#")
	if len(raw) > maxReturnPath || !startsOnOrigin(raw) || hasUnsafeByte(raw) {
		return home
	}
	path, query, _ := strings.Cut(raw, "?")
	if u, err := url.ParseRequestURI(path); err != nil || u.Scheme != "" || u.Host != "" || u.User != nil || u.Opaque != "" {
		return home
	}
	if !isPlainPath(path, segments(endpoints)) {
		return home
	}
	target := escapeUnsafe.Replace(path)
	if query != "" {
		target += "?" + escapeUnsafe.Replace(query)
	}
	if len(target) > maxReturnPath {
		return home
	}
	if fragment = Fragment("#" + fragment); len(target)+len(fragment) <= maxReturnPath {
		target += fragment
	}
	return target
}

// escapeFragment encodes what browsers encode in a fragment, and the backslash,
// which they leave alone and everybody else had better not see.
var escapeFragment = strings.NewReplacer(" ", "%20", `"`, "%22", "<", "%3C", ">", "%3E", "`", "%60", `\`, "%5C")

// Fragment returns raw, a fragment with its "#", as it may stand at the end of a
// Location; "" for what no browser has in its address bar. A fragment never
// leaves the browser by itself, so this one was handed over by a script.
func Fragment(raw string) string {
	if len(raw) < 2 || len(raw) > maxReturnPath || raw[0] != '#' {
		return ""
	}
	for i := range len(raw) {
		if raw[i] < 0x20 || raw[i] >= 0x7f {
			return ""
		}
	}
	if raw = escapeFragment.Replace(raw); len(raw) > maxReturnPath {
		return ""
	}
	return raw
}

// startsOnOrigin reports whether path starts with one slash. Two name another
// host, and to a browser a backslash is a slash (WHATWG URL §4.4).
func startsOnOrigin(path string) bool {
	return path != "" && path[0] == '/' && (len(path) == 1 || path[1] != '/' && path[1] != '\\')
}

// hasUnsafeByte reports whether s holds a byte that URL parsers drop (tab,
// newline), read as another (backslash) or that ends a header line; and any
// that is not ASCII, which normalisation could turn into one of these.
func hasUnsafeByte(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c >= 0x7f || c == '\\' {
			return true
		}
	}
	return false
}

// isPlainPath reports whether path stays a path of the application however
// often somebody behind us decodes it: no host, no dot segment, no control
// byte, nothing of the gateway's own.
func isPlainPath(path string, endpoints []string) bool {
	for range maxDecodings + 1 {
		if !startsOnOrigin(path) || hasControl(path) {
			return false
		}
		parts := segments(path)
		if parts == nil || isUnder(parts, endpoints) {
			return false
		}
		decoded := DecodeOnce(path)
		if decoded == path {
			return true
		}
		path = decoded
	}
	return false
}

// segments splits path the way the most permissive server would: backslashes
// are slashes, empty segments vanish, parameters (;v=1) and what an encoded ?
// or # would cut off are dropped, trailing dots and spaces too, case is folded.
// It returns nil for a path with a dot segment, which no browser ever sends.
func segments(path string) []string {
	parts := []string{}
	for part := range strings.FieldsFuncSeq(path, isSlash) {
		if end := strings.IndexAny(part, ";?#"); end >= 0 {
			part = part[:end]
		}
		trimmed := strings.TrimRight(part, ". ")
		if trimmed != "" {
			parts = append(parts, strings.ToLower(trimmed))
		} else if part != "" {
			return nil
		}
	}
	return parts
}

func isSlash(r rune) bool { return r == '/' || r == '\\' }

// isUnder reports whether parts equals prefix or lies beneath it.
func isUnder(parts, prefix []string) bool {
	if len(prefix) == 0 || len(parts) < len(prefix) {
		return false
	}
	for i := range prefix {
		if parts[i] != prefix[i] {
			return false
		}
	}
	return true
}

// hasControl reports whether a decoded path holds a control byte; other bytes
// above ASCII are what an encoded name decodes to.
func hasControl(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c == 0x7f {
			return true
		}
	}
	return false
}

// DecodeOnce undoes one layer of percent-encoding and leaves a stray % alone,
// as lenient servers do on the second round.
func DecodeOnce(s string) string {
	if !strings.Contains(s, "%") {
		return s
	}
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			if decoded, err := url.PathUnescape(s[i : i+3]); err == nil {
				out = append(out, decoded...)
				i += 2
				continue
			}
		}
		out = append(out, s[i])
	}
	return string(out)
}
