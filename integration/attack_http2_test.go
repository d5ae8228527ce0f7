package integration

import (
	"bytes"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// attackFields are the fields of an HTTP/2 header or trailer section, in order
// and unchecked.
type attackFields [][2]string

// attackStream is a request in HTTP/2 that no client's library would send.
type attackStream struct {
	name     string
	method   string // default GET
	path     string
	fields   attackFields
	body     string
	trailers attackFields
	signedIn bool
	gains    attackGains
	status   int // of the answer; 0: the stream is reset
}

// attackWebSocket opens a WebSocket in HTTP/2 (RFC 8441 §5).
func attackWebSocket(origin string) attackFields {
	return attackFields{{":protocol", "websocket"}, {"sec-websocket-version", "13"}, {"origin", origin}}
}

var attackStreams = []attackStream{
	{name: "HS-015 a trailer that is announced", method: "POST", path: "/studio", signedIn: true, gains: attackToken, status: http.StatusOK,
		fields: attackFields{{"trailer", "x-pat-jwt"}, {"origin", "{origin}"}}, body: "abc", trailers: attackFields{{"x-pat-jwt", "Bearer forged"}}},
	{name: "HS-018 a field of the connection", path: "/studio", signedIn: true, status: http.StatusBadRequest,
		fields: attackFields{{"connection", "x-pat-jwt"}}},
	{name: "HS-019 a value that ends its line", path: "/assets/a.js", fields: attackFields{{"x-a", "b\r\nx-pat-jwt: Bearer forged"}}},
	{name: "PX-021 a WebSocket from another origin", method: "CONNECT", path: "/studio", signedIn: true, status: http.StatusForbidden,
		fields: attackWebSocket("https://elsewhere.example")},
	{name: "PX-021 a WebSocket from a neighbour", method: "CONNECT", path: "/studio", signedIn: true, status: http.StatusForbidden,
		fields: attackWebSocket("https://other-tenant.apps.osaas.io")},
	{name: "PX-021 a WebSocket of nobody", method: "CONNECT", path: "/studio", status: http.StatusUnauthorized,
		fields: attackWebSocket("{origin}")},
	{name: "PX-021 a WebSocket from the site itself", method: "CONNECT", path: "/studio", signedIn: true, gains: attackToken, status: http.StatusOK,
		fields: attackWebSocket("{origin}")},
}

func TestAttacksInHTTP2ChangeNothingTheAppReads(t *testing.T) {
	t.Parallel()
	a := newAttackRig(t, attackSetup{
		policies: attackHeaderPolicies,
		setup: setup{
			global: attackBlock("servers", "\t\tprotocols h1 h2 h2c\n"),
			env:    []string{"GODEBUG=http2xconnect=1"}, // else there are no WebSockets
		},
	})
	a.signIn("/")
	for _, row := range attackStreams {
		t.Run(row.name, func(t *testing.T) {
			status := a.stream(t, row)
			requests := a.upstream.take()
			want := map[attackGains]int{attackToken: 1}[row.gains]
			if status != row.status || a.forwarded(t, requests) != want || (len(requests) == 1) != (row.gains != attackNothing) {
				t.Errorf("status %d, the app got %q", status, requests)
			}
			for _, raw := range requests {
				if strings.Contains(raw, "forged") || !strings.Contains(raw, row.body) {
					t.Errorf("the app got\n%s", raw)
				}
			}
			a.alive(t)
		})
	}
}

// stream sends a request and returns the status of its answer: 0 when the
// stream, or the connection, ends without one.
func (a *attackRig) stream(t *testing.T, row attackStream) int {
	t.Helper()
	conn := a.dial(t)
	defer conn.Close()
	if _, err := io.WriteString(conn, http2.ClientPreface); err != nil {
		t.Fatal(err)
	}
	framer := http2.NewFramer(conn, conn)
	if err := framer.WriteSettings(); err != nil {
		t.Fatal(err)
	}
	method := row.method
	if method == "" {
		method = http.MethodGet
	}
	fields := attackFields{{":method", method}, {":scheme", "http"}, {":authority", "{host}"}, {":path", row.path}}
	fields = append(fields, row.fields...)
	if row.signedIn {
		fields = append(fields, [2]string{"cookie", "osc_session={session}"})
	}
	open := row.body != "" || method == http.MethodConnect
	a.writeFields(t, framer, fields, !open)
	if row.body != "" {
		if err := framer.WriteData(1, row.trailers == nil, []byte(row.body)); err != nil {
			t.Fatal(err)
		}
	}
	if row.trailers != nil {
		a.writeFields(t, framer, row.trailers, true)
	}
	return attackStatus(framer)
}

func (a *attackRig) writeFields(t *testing.T, framer *http2.Framer, fields attackFields, last bool) {
	t.Helper()
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	for _, field := range fields {
		if err := encoder.WriteField(hpack.HeaderField{Name: field[0], Value: a.expand(field[1])}); err != nil {
			t.Fatal(err)
		}
	}
	err := framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block.Bytes(), EndHeaders: true, EndStream: last})
	if err != nil {
		t.Fatal(err)
	}
}

// attackStatus reads until the answer's header.
func attackStatus(framer *http2.Framer) (status int) {
	decoder := hpack.NewDecoder(4<<10, func(field hpack.HeaderField) {
		if field.Name == ":status" {
			status, _ = strconv.Atoi(field.Value)
		}
	})
	for {
		frame, err := framer.ReadFrame()
		if err != nil {
			return 0
		}
		switch frame := frame.(type) {
		case *http2.HeadersFrame:
			if _, err := decoder.Write(frame.HeaderBlockFragment()); err != nil || status >= http.StatusOK {
				return status
			}
		case *http2.RSTStreamFrame, *http2.GoAwayFrame:
			return 0
		case *http2.SettingsFrame:
			if !frame.IsAck() {
				if err := framer.WriteSettingsAck(); err != nil {
					return 0
				}
			}
		}
	}
}
