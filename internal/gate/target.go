package gate

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/Eyevinn/osc-gateway/internal/browser"
)

// Upstreams read one request target in more than one way: some decode twice,
// some take a backslash for a slash, some drop ";parameters" or trailing dots.
// A target that could climb in any of those readings is refused; the rest is
// judged by the strictest policy that any reading of its path has.

// maxDecodings is how often an upstream might take percent-encoding off.
const maxDecodings = 2

// isOddTarget tells whether a request is refused before anything else: forms
// of a target that are not a path, control bytes, and dot segments in any
// disguise. Browsers send none of these.
func isOddTarget(r *http.Request, requestURI string, u *url.URL) bool {
	if r.Method == http.MethodConnect && r.Header.Get(":protocol") == "" { // RFC 8441 §4 is a WebSocket, not a tunnel
		return true
	}
	path, _, _ := strings.Cut(requestURI, "?") // browsers send a backslash in a query as it is
	if strings.Contains(path, `\`) || strings.Contains(requestURI, "#") || hasControl(requestURI) || u.Opaque != "" {
		return true
	}
	if isPlain(u) { // which can't climb
		return false
	}
	return !strings.HasPrefix(u.Path, "/") || climbs(u.EscapedPath()) || climbs(u.Path)
}

// climbs tells whether any decoding of a path has control bytes or a dot
// segment.
func climbs(path string) bool {
	for range maxDecodings + 1 {
		if hasControl(path) || hasOverlong(path) || hasDotSegment(path) {
			return true
		}
		decoded := browser.DecodeOnce(path)
		if decoded == path {
			return false
		}
		path = decoded
	}
	return false
}

func hasControl(s string) bool {
	for i := range len(s) {
		if s[i] < 0x20 || s[i] == 0x7f {
			return true
		}
	}
	return false
}

// hasOverlong finds bytes that no UTF-8 has, by which old decoders smuggle
// dots and slashes.
func hasOverlong(s string) bool {
	return strings.IndexByte(s, 0xc0) >= 0 && !utf8.ValidString(s) || strings.IndexByte(s, 0xc1) >= 0 && !utf8.ValidString(s)
}

// lookalikes are characters that some upstreams fold to ASCII.
var lookalikes = strings.NewReplacer("．", ".", "․", ".", "／", "/", "＼", "/", `\`, "/")

// hasDotSegment finds "." and ".." between slashes of any kind, also with
// parameters, spaces or look-alikes.
func hasDotSegment(path string) bool {
	if isASCII(path) && !strings.Contains(path, "/.") && !strings.ContainsAny(path, `\ `) {
		return false // the common case: no segment begins with a dot
	}
	for segment := range strings.SplitSeq(lookalikes.Replace(path), "/") {
		segment, _, _ = strings.Cut(segment, ";")
		switch strings.TrimSpace(segment) {
		case ".", "..":
			return true
		}
	}
	return false
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// reading is a way a path may be read.
type reading struct {
	path string
	// slashOf is the place of the reading that it is with a slash at its end;
	// noSlash for one that is no other with a slash. "/app" is "/app/" to many
	// upstreams, so whoever protects "/app/*" protects both; but who names "/app"
	// in an earlier line, as "/robots.txt" or "*.css", means what they say.
	slashOf int
	place   int // of the route that it is on
}

const noSlash = -1

// readings appends to out the ways a path may be read, beginning with how it
// stands. The common case, a plain path, has one more: with a slash at its end.
func readings(out []reading, u *url.URL) []reading {
	out = append(out, reading{path: u.Path, slashOf: noSlash})
	if isPlain(u) {
		return append(out, reading{path: u.Path + "/", slashOf: 0})
	}
	seen := map[string]int{u.Path: 0} // and where in out
	add := func(path string, slashOf int) int {
		at, known := seen[path]
		switch {
		case !known:
			at, seen[path] = len(out), len(out)
			out = append(out, reading{path: path, slashOf: slashOf})
		case slashOf == noSlash:
			out[at].slashOf = noSlash
		}
		return at
	}
	for _, decoded := range decodings(u.EscapedPath()) {
		for _, path := range spellings(decoded) {
			at := add(path, noSlash)
			if slashed := strings.TrimSuffix(path, "/") + "/"; slashed != path {
				add(slashed, at)
			}
		}
	}
	return out
}

// isPlain tells whether no habit changes a path and no decoding does: small
// letters, digits, and the rest of the unreserved characters (RFC 3986 §2.3), in
// segments that are not empty and end in no dot.
func isPlain(u *url.URL) bool {
	path := u.Path
	if u.RawPath != "" || path == "" || path[0] != '/' {
		return false
	}
	for i := 1; i < len(path); i++ {
		switch c := path[i]; {
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '-', c == '_', c == '~':
		case (c == '.' || c == '/') && path[i-1] != '/' && path[i-1] != '.':
		default:
			return false
		}
	}
	last := path[len(path)-1]
	return last != '/' && last != '.'
}

// decodings are a path as often decoded as an upstream might. Servlets drop
// parameters first: what looks like a slash in them is none.
func decodings(path string) []string {
	out := []string{path}
	begin := 0
	for range maxDecodings {
		end := len(out)
		for _, path := range out[begin:end] {
			for _, decoded := range [...]string{browser.DecodeOnce(path), browser.DecodeOnce(withoutParameters(path))} {
				if !slices.Contains(out, decoded) {
					out = append(out, decoded)
				}
			}
		}
		begin = end
	}
	return out
}

// habits are what upstreams do to a path, in the order in which they do it.
// What one leaves may be another's turn: "/;/app" is "//app" first.
var habits = [...]func(string) string{withoutQuery, backslashes, withoutParameters, mergeSlashes, strings.ToLower, trimSegments, mergeSlashes}

// spellings are a path under every combination of habits.
func spellings(path string) []string {
	out := []string{path}
	for _, habit := range habits {
		for _, spelling := range out { // those of the habits before
			if changed := habit(spelling); changed != spelling {
				out = append(out, changed)
			}
		}
	}
	return out
}

// withoutQuery is for upstreams that decode before they look for where the path
// ends.
func withoutQuery(path string) string {
	if end := strings.IndexAny(path, "?#"); end >= 0 {
		return path[:end]
	}
	return path
}

func backslashes(path string) string { return lookalikes.Replace(path) }

func withoutParameters(path string) string {
	if strings.IndexByte(path, ';') < 0 {
		return path
	}
	return mapSegments(path, func(segment string) string {
		segment, _, _ = strings.Cut(segment, ";")
		return segment
	})
}

func trimSegments(path string) string {
	return mapSegments(path, func(segment string) string { return strings.TrimRight(segment, ". ") })
}

func mapSegments(path string, change func(string) string) string {
	segments := strings.Split(path, "/")
	for i, segment := range segments {
		segments[i] = change(segment)
	}
	return strings.Join(segments, "/")
}

func mergeSlashes(path string) string {
	for strings.Contains(path, "//") {
		path = strings.ReplaceAll(path, "//", "/")
	}
	return path
}
