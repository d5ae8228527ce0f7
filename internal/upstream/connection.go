package upstream

import "strings"

// pruneConnection returns the lines of a Connection field without the names
// that only the gateway may write. A proxy deletes the fields that Connection
// names (RFC 9110 §7.6.1), so a client could have the token removed between
// the gateway and the application.
func (h *Hygiene) pruneConnection(lines []string, authorization bool) []string {
	return pruneList(lines, func(name string) bool {
		return h.reserved(name) || authorization && SameField(name, "Authorization")
	})
}

// pruneList returns the lines of a comma-separated list without the elements
// that drop selects, and without lines that have become empty. Lines it does
// not have to change stay byte-identical; the slice it got is never written to.
func pruneList(lines []string, drop func(element string) bool) []string {
	first := 0
	for first < len(lines) && !anyElement(lines[first], drop) {
		first++
	}
	if first == len(lines) {
		return lines
	}
	kept := append(make([]string, 0, len(lines)), lines[:first]...)
	for _, line := range lines[first:] {
		if anyElement(line, drop) {
			line = withoutElements(line, drop)
		}
		if line != "" {
			kept = append(kept, line)
		}
	}
	return kept
}

// anyElement reports whether match selects an element of one line of a list.
func anyElement(line string, match func(element string) bool) bool {
	for element := range strings.SplitSeq(line, ",") {
		if match(trimOWS(element)) {
			return true
		}
	}
	return false
}

// withoutElements returns one line of a list without the elements that drop
// selects and without empty ones (RFC 9110 §5.6.1.2).
func withoutElements(line string, drop func(element string) bool) string {
	var kept []string
	for element := range strings.SplitSeq(line, ",") {
		if element = trimOWS(element); element != "" && !drop(element) {
			kept = append(kept, element)
		}
	}
	return strings.Join(kept, ", ")
}

// offersHTTP reports whether the lines of an Upgrade field name a protocol that
// carries further requests: h2c (deprecated by RFC 9113 §3.1), HTTP/x or TLS
// (RFC 2817). Requests inside such a tunnel would pass the gateway unseen.
func offersHTTP(lines []string) bool {
	for _, line := range lines {
		if anyElement(line, func(protocol string) bool {
			return hasFieldPrefix(protocol, "h2") || hasFieldPrefix(protocol, "http") ||
				hasFieldPrefix(protocol, "tls")
		}) {
			return true
		}
	}
	return false
}
