package upstream

import "strings"

// reservedPrefix is the name space of the fields in which the gateway tells
// the upstream who the user is.
const reservedPrefix = "x-osc-"

// alwaysToken are the fields in which applications of the platform look for a
// token, whether or not a route of the site uses them.
var alwaysToken = []string{"x-pat-jwt", "x-jwt"}

// folded maps a byte of a field name to its identity. CGI and everything built
// on it (WSGI, PHP, FastCGI) maps "-" to "_" (RFC 3875 §4.1.18), PHP maps "."
// as well, and some servers map every byte that is neither letter nor digit.
var folded = func() (table [256]byte) {
	for i := range table {
		c := byte(i)
		switch {
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9', c >= 0x80:
			table[i] = c
		case 'A' <= c && c <= 'Z':
			table[i] = c + 'a' - 'A'
		default:
			table[i] = '-'
		}
	}
	return table
}()

// SameField reports whether an upstream could take the field names a and b for
// the same one: names are compared without regard to case (RFC 9110 §5.1) and
// with "_", "." and all other punctuation read as "-".
func SameField(a, b string) bool {
	return len(a) == len(b) && hasFieldPrefix(a, b)
}

// hasFieldPrefix is SameField for the beginning of name.
func hasFieldPrefix(name, prefix string) bool {
	if len(name) < len(prefix) {
		return false
	}
	for i := range len(prefix) {
		if folded[name[i]] != folded[prefix[i]] {
			return false
		}
	}
	return true
}

// hasFieldSuffix is SameField for the end of name.
func hasFieldSuffix(name, suffix string) bool {
	return len(name) >= len(suffix) && SameField(name[len(name)-len(suffix):], suffix)
}

// sameAny reports whether name is the same field as one of names.
func sameAny(name string, names []string) bool {
	for _, n := range names {
		if SameField(name, n) {
			return true
		}
	}
	return false
}

// trimOWS removes the white space that may surround a list element or a cookie
// name (RFC 9110 §5.6.3).
func trimOWS(s string) string {
	return strings.Trim(s, " \t\r\n")
}
