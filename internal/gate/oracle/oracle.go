// Package oracle says in which ways an upstream may read the path of a request.
// It is for tests: whatever it finds in a protected part of a site must not be
// served by a laxer rule. It shares nothing with what it judges.
package oracle

import (
	"net/url"
	"strings"
)

// maxDecodings is how often an upstream may take percent-encoding off.
const maxDecodings = 2

// habits are what upstreams do to a path after decoding it, in the order in
// which they commonly do it.
var habits = []func(string) string{
	cutAtNUL,
	cutAtQuery,
	backslashesAsSlashes,
	withoutParameters,
	collapse,
	withoutDots,
	strings.ToLower,
	trimSegments,
	collapse, // what the habits before left empty
}

// Readings are all readings of a path: decoded up to twice, under every
// combination of habits. Parameters may be gone before the decoding, as in
// servlets, or after it.
func Readings(path string) []string {
	var all set
	starts := []string{path}
	for range maxDecodings + 1 {
		var level, next set
		for _, start := range starts {
			level.add(start)
			next.add(unescape(start))
			next.add(unescape(withoutParameters(start)))
		}
		for _, habit := range habits {
			for _, read := range level.list {
				level.add(habit(read))
			}
		}
		for _, read := range level.list {
			all.add(read)
		}
		starts = next.list
	}
	return all.list
}

// set is a set of paths in the order they were added.
type set struct {
	list  []string
	known map[string]bool
}

func (s *set) add(path string) {
	if s.known == nil {
		s.known = map[string]bool{}
	}
	if !s.known[path] {
		s.known[path] = true
		s.list = append(s.list, path)
	}
}

func cutAtNUL(path string) string {
	path, _, _ = strings.Cut(path, "\x00")
	return path
}

// cutAtQuery is for upstreams that decode before they look for the query.
func cutAtQuery(path string) string {
	if end := strings.IndexAny(path, "?#"); end >= 0 {
		return path[:end]
	}
	return path
}

func backslashesAsSlashes(path string) string { return strings.ReplaceAll(path, `\`, "/") }

func withoutParameters(path string) string {
	return each(path, func(segment string) string {
		segment, _, _ = strings.Cut(segment, ";")
		return segment
	})
}

func trimSegments(path string) string {
	return each(path, func(segment string) string { return strings.TrimRight(segment, ". ") })
}

func each(path string, change func(string) string) string {
	parts := strings.Split(path, "/")
	for i := range parts {
		parts[i] = change(parts[i])
	}
	return strings.Join(parts, "/")
}

func collapse(path string) string {
	var out strings.Builder
	for i := range len(path) {
		if path[i] != '/' || i == 0 || path[i-1] != '/' {
			out.WriteByte(path[i])
		}
	}
	return out.String()
}

func withoutDots(path string) string {
	var kept []string
	for part := range strings.SplitSeq(strings.TrimPrefix(path, "/"), "/") {
		switch {
		case part == ".":
		case part == ".." && len(kept) > 0:
			kept = kept[:len(kept)-1]
		case part != "..":
			kept = append(kept, part)
		}
	}
	return "/" + strings.Join(kept, "/")
}

// unescape decodes once and leaves a stray percent sign alone.
func unescape(path string) string {
	var out strings.Builder
	for i := 0; i < len(path); i++ {
		if path[i] == '%' && i+2 < len(path) {
			if decoded, err := url.PathUnescape(path[i : i+3]); err == nil {
				out.WriteString(decoded)
				i += 2
				continue
			}
		}
		out.WriteByte(path[i])
	}
	return out.String()
}
