package upstream

import (
	"net/http"
	"slices"
	"strings"
)

// minEcho is the length in bytes from which a credential is looked for inside
// values. A shorter one is none OSC would issue and could occur by chance; it
// has to be the whole value.
const minEcho = 8

// filterHeader removes from the header of an answer what the upstream may not
// tell a browser: cookies of the gateway, token fields and fields that repeat
// the token of inj. If inj says so the answer becomes private.
func (h *Hygiene) filterHeader(header http.Header, inj *Injection) {
	switch {
	case inj != nil && inj.Private:
		h.drop(header, inj, overrulesCacheControl)
		makePrivate(header)
	case inj != nil && inj.Vary:
		h.dropEchoes(header, inj)
		header["Vary"] = varyOnCookie(header["Vary"])
	default:
		h.dropEchoes(header, inj)
	}
}

// dropEchoes deletes, in place, what filterHeader deletes. It serves final
// and interim headers and trailers alike.
func (h *Hygiene) dropEchoes(header http.Header, inj *Injection) {
	h.drop(header, inj, func(string) bool { return false })
}

// drop is dropEchoes for an answer of which further fields are unwanted.
func (h *Hygiene) drop(header http.Header, inj *Injection, unwanted func(field string) bool) {
	var room [2]string
	secrets := inj.credentials(room[:0])
	for name, values := range header {
		// A server takes a prefixed field for a trailer that was not declared.
		field := strings.TrimPrefix(name, http.TrailerPrefix)
		if h.carriesToken(field) || inj.setsSecret(field) || unwanted(name) {
			delete(header, name)
			continue
		}
		isCookie := SameField(name, "Set-Cookie")
		if SameField(name, "Clear-Site-Data") {
			values = keepCookies(values)
		}
		kept := slices.DeleteFunc(values, func(value string) bool {
			return isCookie && h.owns(setCookieName(value)) || containsAny(value, secrets)
		})
		if len(header[name]) > 0 { // a declared trailer has no values yet
			put(header, name, kept)
		}
	}
}

// setCookieName returns the name of the cookie that a Set-Cookie line sets or
// clears, as browsers read it (RFC 6265 §5.2).
func setCookieName(line string) string {
	pair, _, _ := strings.Cut(line, ";")
	return cookieName(pair)
}

// keepCookies takes "cookies" out of the lines of a Clear-Site-Data field: it
// would clear those of the gateway and of every site of the same registrable
// domain. The wildcard becomes what else it stands for.
func keepCookies(lines []string) []string {
	const wildcard = `"*"`
	wild := false
	kept := pruneList(lines, func(element string) bool {
		wild = wild || element == wildcard
		return element == wildcard || element == `"cookies"`
	})
	if wild {
		kept = append(slices.Clip(kept), `"cache", "storage"`)
	}
	return kept
}

// credentials appends the secrets of inj to room.
func (inj *Injection) credentials(room []string) []string {
	if inj == nil {
		return room
	}
	for _, field := range inj.Fields {
		if secret := field.credential(); secret != "" {
			room = append(room, secret)
		}
	}
	return room
}

// setsSecret is sets for fields with a credential.
func (inj *Injection) setsSecret(name string) bool {
	if inj == nil {
		return false
	}
	for _, field := range inj.Fields {
		if field.credential() != "" && SameField(field.name, name) {
			return true
		}
	}
	return false
}

// containsAny reports whether value gives one of the secrets away.
func containsAny(value string, secrets []string) bool {
	for _, secret := range secrets {
		if value == secret || len(secret) >= minEcho && strings.Contains(value, secret) {
			return true
		}
	}
	return false
}
