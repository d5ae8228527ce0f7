package upstream

import (
	"net/http"
	"slices"
	"strings"
)

// makePrivate sees to it that no shared cache stores the answer and that a
// private one does not give it to the next user of the browser: Cache-Control
// is private, whatever else it says (RFC 9111 §5.2.2.7), and Vary names Cookie.
// Fields that overrule it for one kind of cache must be gone.
func makePrivate(header http.Header) {
	control, vary := header["Cache-Control"], header["Vary"]
	if len(control) == 0 && len(vary) == 0 { // most answers say neither
		values := []string{"private", "Cookie"}
		header["Cache-Control"], header["Vary"] = values[:1:1], values[1:]
		return
	}
	header["Cache-Control"] = privateControl(control)
	header["Vary"] = varyOnCookie(vary)
}

// overrulesCacheControl knows targeted cache control fields (RFC 9213) and
// their predecessors.
func overrulesCacheControl(name string) bool {
	return hasFieldSuffix(name, "CDN-Cache-Control") || SameField(name, "Surrogate-Control") ||
		SameField(name, "X-Accel-Expires")
}

// privateControl returns the Cache-Control lines with private in front and
// without what contradicts it; lines that are private already as they are.
func privateControl(lines []string) []string {
	var kept []string
	private, contradicted := false, false
	for _, line := range lines {
		for _, directive := range splitDirectives(line) {
			name, _, qualified := strings.Cut(directive, "=")
			switch strings.ToLower(trimOWS(name)) {
			case "public", "s-maxage":
				contradicted = true
			case "private": // with a list of fields it is about these alone
				private = private || !qualified
				contradicted = contradicted || qualified
			default:
				kept = append(kept, directive)
			}
		}
	}
	if private && !contradicted {
		return lines
	}
	return []string{strings.Join(append([]string{"private"}, kept...), ", ")}
}

// splitDirectives splits one Cache-Control line at the commas outside of quoted
// strings (RFC 9110 §5.6.4).
func splitDirectives(line string) []string {
	var directives []string
	quoted, start := false, 0
	for i := 0; i <= len(line); i++ {
		switch {
		case i == len(line), line[i] == ',' && !quoted:
			if directive := trimOWS(line[start:i]); directive != "" {
				directives = append(directives, directive)
			}
			start = i + 1
		case line[i] == '"':
			quoted = !quoted
		case line[i] == '\\' && quoted && i+1 < len(line):
			i++ // an escaped byte ends nothing
		}
	}
	return directives
}

// varyOnCookie adds Cookie to the lines of a Vary field that does not imply it
// yet (RFC 9110 §12.5.5).
func varyOnCookie(lines []string) []string {
	for _, line := range lines {
		if anyElement(line, func(name string) bool {
			return name == "*" || strings.EqualFold(name, "Cookie")
		}) {
			return lines
		}
	}
	if len(lines) == 0 || trimOWS(lines[0]) == "" {
		return []string{"Cookie"}
	}
	varied := slices.Clone(lines)
	varied[0] += ", Cookie"
	return varied
}
