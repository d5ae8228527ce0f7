package gate

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"net/http"
	"time"
)

// sessionScript keeps an app's tabs in step with the session: GET
// /auth/session.js. It is the same for every site. Why it does what it does:
//
//   - One tab listens for all of a browser, by a lock, and tells the others. It is
//     the one that was looked at last: browsers put others to sleep, lock and all.
//   - A tab that comes into view, out of the back-forward cache too, asks afresh.
//   - Nobody is told that a session ended before the gateway has said it again a
//     moment later: it may have ended because another took its place, whose
//     cookie is still on its way. A gateway that doesn't know is asked until it does.
//   - Whose cookie is gone has signed out, in whatever tab, and is not sent to OSC,
//     which may remember them.
//   - A tab sends its person to sign in only while they look at it, only if
//     nothing they typed would be lost, and once a minute at most, so that no
//     mistake anywhere can send them round for ever.
//   - A stream that breaks off comes back by itself; one that is refused, as when
//     the store is away, is asked for again by the script.
//
//go:embed session.js
var sessionScript []byte

// scriptETag is strong: the same tag is the same bytes (RFC 9110 §8.8.3).
var scriptETag = func() string {
	sum := sha256.Sum256(sessionScript)
	return `"` + hex.EncodeToString(sum[:12]) + `"`
}()

// script serves it. Browsers ask each time whether it is still the same, so that
// all tabs of an app run the script of the gateway they talk to.
func (g *Gate) script(w http.ResponseWriter, r *http.Request) error {
	h := w.Header()
	ownHeaders(h)
	h.Set("Cache-Control", "no-cache")
	h.Set("Content-Type", "text/javascript; charset=utf-8")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("ETag", scriptETag)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(sessionScript))
	return nil
}
