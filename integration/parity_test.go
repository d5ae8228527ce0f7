package integration

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// ask is a request of a visitor to {host}; further lines and the body follow.
const ask = "{method} /page?q=1 HTTP/1.1\r\nHost: {host}\r\nOrigin: http://{host}\r\nCookie: osc_session={session}; own=yes\r\nX-B: 1\r\nx-b: 2\r\n"

const (
	ok        = "HTTP/1.1 200 OK\r\nDate: Sat, 21 Nov 2026 12:00:00 GMT\r\nConnection: close\r\n"
	chunked   = "Transfer-Encoding: chunked\r\n"
	streaming = chunked + "Content-Type: text/event-stream\r\n" // of which Caddy holds nothing back
	closing   = "Connection: close\r\n"
	last      = "0\r\n\r\n"

	handshake = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: chat\r\n" +
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)

func fetching(lines string) string {
	return strings.Replace(ask, "{method}", "GET", 1) + lines + "\r\n"
}
func posting(lines string) string {
	return strings.Replace(ask, "{method}", "POST", 1) + lines + "\r\n"
}

// simply is one request, whole, and one answer.
func simply(request, answer string) conversation {
	return func(client *end, meet func() *end) {
		client.send(request)
		app := meet()
		app.until("\r\n\r\n")
		app.send(answer)
		app.conn.Close()
		client.rest()
	}
}

// compressed stands for what an app has compressed: nobody on the way is to look.
const compressed = "\x1f\x8b\x08\x00no more of gzip than how it begins"

// conversations are what must go through the gateway as it goes through Caddy
// alone. Each waits for what it says before it says more: what is held back
// anywhere on the way never ends.
var conversations = map[string]conversation{
	"a page":                      simply(fetching(closing), ok+"Content-Length: 2\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2; Path=/\r\nX-Empty:\r\nx-lower: 1\r\nX-Twice: 1\r\nX-Twice: 2\r\n\r\nok"),
	"a page that may be kept":     simply(fetching(closing), ok+"Content-Length: 2\r\nCache-Control: private, max-age=60\r\nVary: Accept, Cookie\r\nETag: \"1\"\r\n\r\nok"),
	"no user agent but much else": simply(fetching("Accept-Language: sv\r\nTE: trailers\r\nAccept-Encoding: br\r\nX-Forwarded-For: 192.0.2.1\r\nForwarded-By: x\r\nPragma: no-cache\r\n"+closing), ok+"Content-Length: 0\r\n\r\n"),
	"an answer without a length":  simply(fetching(closing), "HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nuntil the end"),
	"HEAD":                        simply(strings.Replace(fetching(closing), "GET", "HEAD", 1), ok+"Content-Length: 1234\r\nContent-Type: text/plain\r\n\r\n"),
	"204":                         simply(fetching(closing), strings.Replace(ok, "200 OK", "204 No Content", 1)+"X-A: 1\r\n\r\n"),
	"304":                         simply(fetching("If-None-Match: \"1\"\r\n"+closing), strings.Replace(ok, "200 OK", "304 Not Modified", 1)+"ETag: \"1\"\r\nContent-Length: 55\r\n\r\n"),
	"a range": simply(fetching("Range: bytes=2-4\r\nIf-Range: \"1\"\r\n"+closing),
		strings.Replace(ok, "200 OK", "206 Partial Content", 1)+"Content-Range: bytes 2-4/10\r\nContent-Length: 3\r\nAccept-Ranges: bytes\r\n\r\ncde"),
	"no such range":       simply(fetching("Range: bytes=99-\r\n"+closing), strings.Replace(ok, "200 OK", "416 Range Not Satisfiable", 1)+"Content-Range: bytes */10\r\nContent-Length: 0\r\n\r\n"),
	"a redirect":          simply(fetching(closing), strings.Replace(ok, "200 OK", "302 Found", 1)+"Location: /elsewhere?x=%2F\r\nContent-Length: 0\r\n\r\n"),
	"an error":            simply(fetching(closing), strings.Replace(ok, "200 OK", "500 Internal Server Error", 1)+"Content-Length: 4\r\n\r\nsunk"),
	"a method of its own": simply(strings.Replace(fetching(closing), "GET", "PURGE", 1), ok+"Content-Length: 0\r\n\r\n"),
	"compressed by the app": simply(fetching("Accept-Encoding: gzip\r\n"+closing),
		ok+"Content-Encoding: gzip\r\nContent-Type: text/plain\r\nVary: Accept-Encoding\r\nContent-Length: "+strconv.Itoa(len(compressed))+"\r\n\r\n"+compressed),
	"compressed on the way":     simply(fetching("Accept-Encoding: gzip\r\n"+closing), ok+"Content-Type: text/plain\r\nContent-Length: 4000\r\nVary: Accept\r\n\r\n"+strings.Repeat("much ", 800)),
	"an answer that breaks off": simply(fetching(closing), ok+"Content-Length: 100\r\n\r\nnot so many"),
	"chunks that break off":     simply(fetching(closing), ok+chunked+"\r\n4\r\nwell\r\n9\r\nnot"),
	"no answer":                 simply(fetching(closing), ""),
	"no answer of HTTP":         simply(fetching(closing), "220 smtp.example.com ESMTP\r\n"),
	"trailers of the client": func(client *end, meet func() *end) {
		client.send(posting(closing + chunked + "Trailer: X-Sum, X-Signed\r\n"))
		app := meet()
		app.until("\r\n\r\n")
		client.send("4\r\nbody\r\n0\r\nX-Sum: 1\r\nX-Signed: yes\r\n\r\n")
		app.until("X-Sum: 1\r\n\r\n") // the last, in their order
		app.send(ok + "Content-Length: 0\r\n\r\n")
		client.rest()
	},
	"trailers of the app": simply(fetching("TE: trailers\r\n"+closing), ok+chunked+"Trailer: X-Sum\r\n\r\n4\r\nbody\r\n0\r\nX-Sum: 1\r\nX-Surprise: yes\r\n\r\n"),
	"an upload in pieces": func(client *end, meet func() *end) {
		client.send(posting(closing+chunked) + "5\r\nfirst\r\n")
		app := meet()
		app.until("first")
		client.send("6\r\nsecond\r\n" + last)
		app.until("second")
		app.until(last)
		app.send(ok + "Content-Length: 2\r\n\r\nok")
		client.rest()
	},
	"an upload of known length in pieces": func(client *end, meet func() *end) {
		client.send(posting(closing+"Content-Length: 11\r\n") + "first")
		app := meet()
		app.until("first")
		client.send("second")
		app.until("second")
		app.send(ok + "Content-Length: 2\r\n\r\nok")
		client.rest()
	},
	"events": func(client *end, meet func() *end) {
		client.send(fetching("Accept: text/event-stream\r\n" + closing))
		app := meet()
		app.until("\r\n\r\n")
		app.send(ok + "Content-Type: text/event-stream\r\n\r\ndata: 1\n\n")
		client.until("data: 1\n\n")
		app.send("data: 2\n\n")
		client.until("data: 2\n\n")
		app.conn.Close()
		client.rest()
	},
	"hints before the answer": func(client *end, meet func() *end) {
		client.send(fetching(closing))
		app := meet()
		app.until("\r\n\r\n")
		app.send("HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n")
		client.until("</a.css>; rel=preload\r\n")
		app.send(ok + "Content-Length: 2\r\n\r\nok")
		client.rest()
	},
	"a body that is asked for first": func(client *end, meet func() *end) {
		client.send(posting(closing + "Expect: 100-continue\r\nContent-Length: 4\r\n"))
		app := meet()
		app.until("\r\n\r\n")
		client.quiet()
		app.send("HTTP/1.1 100 Continue\r\n\r\n")
		client.until("HTTP/1.1 100 Continue\r\n")
		client.until("\r\n\r\n")
		client.send("body")
		app.until("body")
		app.send(ok + "Content-Length: 2\r\n\r\nok")
		client.rest()
	},
	"a body that nobody wants": func(client *end, meet func() *end) {
		client.send(posting(closing + "Expect: 100-continue\r\nContent-Length: 4\r\n"))
		app := meet()
		app.until("\r\n\r\n")
		app.send(strings.Replace(ok, "200 OK", "417 Expectation Failed", 1) + "Content-Length: 2\r\n\r\nno")
		client.rest()
	},
	"an answer before the upload ends": func(client *end, meet func() *end) {
		client.send(posting(closing+"Content-Length: 100000\r\n") + "first")
		app := meet()
		app.until("first")
		app.send(strings.Replace(ok, "200 OK", "413 Content Too Large", 1) + "Content-Length: 2\r\n\r\nno")
		client.until("\r\n\r\nno")
	},
	"an upload that breaks off": func(client *end, meet func() *end) {
		client.send(posting(closing+chunked) + "5\r\nfirst\r\n")
		app := meet()
		app.until("first")
		client.conn.Close()
		app.rest()
	},
	"a client that leaves": func(client *end, meet func() *end) {
		client.send(fetching(""))
		app := meet()
		app.until("\r\n\r\n")
		app.send(ok + streaming + "\r\n5\r\nfirst\r\n")
		client.until("first")
		client.conn.Close()
		app.rest()
	},
	"a client that leaves before there is an answer": func(client *end, meet func() *end) {
		client.send(fetching(""))
		app := meet()
		app.until("\r\n\r\n")
		client.conn.Close()
		app.rest()
	},
	"a WebSocket": func(client *end, meet func() *end) {
		client.send(fetching(handshake))
		app := meet()
		app.until("\r\n\r\n")
		app.send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n")
		client.until("\r\n\r\n")
		client.send("\x81\x85mask")
		app.until("\x81\x85mask")
		app.send("\x81\x04pong")
		client.until("\x81\x04pong")
		app.conn.Close()
		client.rest()
	},
	"a WebSocket that is refused": func(client *end, meet func() *end) {
		client.send(fetching(handshake))
		app := meet()
		app.until("\r\n\r\n")
		app.send(strings.Replace(ok, "200 OK", "403 Forbidden", 1) + "Content-Length: 2\r\n\r\nno")
		client.until("\r\n\r\nno")
	},
	"two requests on a connection": func(client *end, meet func() *end) {
		kept := strings.Replace(ok, closing, "", 1)
		client.send(fetching(""))
		app := meet()
		app.until("\r\n\r\n")
		app.send(kept + "Content-Length: 3\r\n\r\none")
		client.until("\r\n\r\none")
		client.send(posting("Content-Length: 4\r\n"+closing) + "more")
		app.until("\r\n\r\nmore")
		app.send(ok + "Content-Length: 3\r\n\r\ntwo")
		client.rest()
	},
}

func TestParityOfWhatIsSaid(t *testing.T) {
	t.Parallel()
	p := newParity(t)
	for name, talk := range conversations {
		t.Run(name, func(t *testing.T) {
			plain, plainApp := p.hold(t, p.plain, talk)
			guarded, guardedApp := p.hold(t, p.guarded, talk)
			p.same(t, "the app", p.asked(t, plainApp, false), p.asked(t, guardedApp, true))
			if plain.got.Len() > 0 || guarded.got.Len() > 0 {
				atPlain, atGuarded := plain.answered(t), guarded.answered(t)
				p.unshared(t, &atPlain, &atGuarded)
				atPlain.continueOnce()
				atGuarded.continueOnce()
				p.same(t, "the client", atPlain, atGuarded)
			}
		})
	}
}

// continueOnce makes one of two 100s. Go's transport begins to send the body
// before it tells of the app's 100, and whoever reads the body of a request first
// says 100 as well: which of the two comes first is chance, with reverse_proxy too.
func (m *message) continueOnce() {
	m.head = slices.CompactFunc(m.head, func(a, b string) bool { return a == b && a == "HTTP/1.1 100 Continue" })
}

func (p *parity) same(t *testing.T, who string, plain, guarded message) {
	t.Helper()
	if plain.String() != guarded.String() {
		t.Errorf("%s got of reverse_proxy\n%s\nand of the gateway\n%s", who, plain, guarded)
	}
}

// ownCookie is the gateway's in a Cookie line.
var ownCookie = regexp.MustCompile(`(__Host-)?osc_session=[^;]*(; )?`)

// asked is what an app got without what only the gateway says: who it is. The
// gateway's cookie is what only reverse_proxy passes on.
func (p *parity) asked(t *testing.T, app *end, guarded bool) message {
	t.Helper()
	m := app.asked(t)
	for i, line := range m.head {
		line = strings.ReplaceAll(line, "plain.localhost", "localhost")
		m.head[i] = ownCookie.ReplaceAllString(line, "")
	}
	if !guarded {
		return m
	}
	token := m.take("X-Pat-Jwt: Bearer ")
	if len(token) != 1 || !p.canaries.knows(accessToken, strings.TrimPrefix(token[0], "X-Pat-Jwt: Bearer ")) {
		t.Errorf("the token: %q", token)
	}
	if who := append(m.take("X-Osc-User: "), m.take("X-Osc-Tenant: ")...); !slices.Equal(who, []string{"X-Osc-User: alice", "X-Osc-Tenant: acme"}) {
		t.Errorf("who it is: %q", who)
	}
	return m
}

// unshared takes what says who may share an answer off both: the gateway's is a
// user's own, whatever else it is, unless nobody answered.
func (p *parity) unshared(t *testing.T, plain, guarded *message) {
	t.Helper()
	if strings.Contains(guarded.head[0], " 502 ") {
		return
	}
	want, control := plain.take("Cache-Control: "), guarded.take("Cache-Control: ")
	if len(want) == 0 {
		want = []string{"Cache-Control: private"}
	}
	if !slices.Equal(control, want) {
		t.Errorf("%q, want %q", control, want)
	}
	want, vary := elements(plain.take("Vary: ")), elements(guarded.take("Vary: "))
	if want = append(want, "Cookie"); !slices.Equal(vary, slices.Compact(slices.Sorted(slices.Values(want)))) {
		t.Errorf("varies on %q, want %q", vary, want)
	}
}

// elements are those of a field's lines, in order.
func elements(lines []string) (all []string) {
	for _, line := range lines {
		_, value, _ := strings.Cut(line, ": ")
		all = append(all, strings.Split(value, ", ")...)
	}
	slices.Sort(all)
	return all
}
