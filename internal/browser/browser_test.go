package browser

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

// request builds a request from "Name", "value" pairs, as a server would see it.
func request(method string, pairs ...string) *http.Request {
	r := &http.Request{Method: method, Proto: "HTTP/1.1", Header: http.Header{}}
	for i := 0; i+1 < len(pairs); i += 2 {
		r.Header.Add(pairs[i], pairs[i+1])
	}
	return r
}

func TestOnlyExactGetHeadAndOptionsAreSafe(t *testing.T) {
	for _, method := range []string{"GET", "HEAD", "OPTIONS"} {
		if !IsSafeMethod(method) {
			t.Errorf("%s is not safe", method)
		}
	}
	for _, method := range []string{"", "get", "Get", "GET ", "POST", "PUT", "PATCH", "DELETE", "TRACE", "CONNECT", "FOO"} {
		if IsSafeMethod(method) {
			t.Errorf("%q is safe", method)
		}
	}
}

func TestWebSocketHandshakesAreRecognised(t *testing.T) {
	overHTTP3 := request("CONNECT")
	overHTTP3.Proto = "websocket"
	tests := []struct {
		name string
		r    *http.Request
		want bool
	}{
		{"Chromium's handshake", request("GET", "Connection", "Upgrade", "Upgrade", "websocket"), true},
		{"Firefox keeps the connection alive too", request("GET", "Connection", "keep-alive, Upgrade", "Upgrade", "websocket"), true},
		{"any case", request("GET", "Connection", "uPGRADE", "Upgrade", "WebSocket"), true},
		{"several field lines are one list", request("GET", "Connection", "keep-alive", "Connection", " upgrade ", "Upgrade", "h2c", "Upgrade", "foo,\twebsocket/13"), true},
		{"a strange method changes nothing", request("POST", "Connection", "upgrade", "Upgrade", "websocket"), true},
		{"extended CONNECT over HTTP/2", request("CONNECT", ":protocol", "websocket"), true},
		{"extended CONNECT over HTTP/3", overHTTP3, true},
		{"extended CONNECT for something else", request("CONNECT", ":protocol", "connect-udp"), false},
		{"plain CONNECT", request("CONNECT"), false},
		{"Upgrade that Connection does not name", request("GET", "Upgrade", "websocket"), false},
		{"Connection alone", request("GET", "Connection", "upgrade"), false},
		{"another protocol", request("GET", "Connection", "upgrade", "Upgrade", "h2c"), false},
		{"a longer word", request("GET", "Connection", "upgrade", "Upgrade", "websockets"), false},
		{"nothing", request("GET"), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := IsWebSocket(tt.r); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestHeadersAreReadAsTheServerStoresThem(t *testing.T) {
	// The names looked up directly must be the canonical keys.
	for _, name := range append(speculationHeaders[:], "Origin", "Sec-Fetch-Site", "Sec-Fetch-Mode", "Sec-Fetch-Dest",
		"Connection", "Upgrade", "Accept", "X-Requested-With", "Service-Worker", "Upgrade-Insecure-Requests", "Sec-Fetch-User") {
		if canonical := http.CanonicalHeaderKey(name); canonical != name {
			t.Errorf("%s is stored as %s", name, canonical)
		}
	}
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("sec-fetch-mode", "cors")
	if MayStartSignIn(r) {
		t.Error("a lower-case field was not read")
	}
}
