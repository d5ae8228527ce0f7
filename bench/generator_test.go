package main

import (
	"bufio"
	"strings"
	"testing"
	"time"
)

func TestReadAnswer(t *testing.T) {
	body := strings.Repeat("x", answerBytes)
	for name, test := range map[string]struct {
		text string
		good bool
	}{
		"the upstream's":                {"HTTP/1.1 200 OK\r\nServer: Caddy\r\nContent-Length: 1024\r\n\r\n" + body, true},
		"a field in another case":       {"HTTP/1.1 200 OK\r\ncontent-length:1024\r\n\r\n" + body, true},
		"a redirect to sign in":         {"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n", false},
		"a refusal":                     {"HTTP/1.1 401 Unauthorized\r\nContent-Length: 1024\r\n\r\n" + body, false},
		"another size":                  {"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", false},
		"no size":                       {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", false},
		"a size that is no number":      {"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n", false},
		"a connection that broke early": {"HTTP/1.1 200 OK\r\nContent-Length: 1024\r\n\r\nabc", false},
		"nothing":                       {"", false},
	} {
		t.Run(name, func(t *testing.T) {
			if err := readAnswer(bufio.NewReader(strings.NewReader(test.text))); (err == nil) != test.good {
				t.Errorf("readAnswer = %v", err)
			}
		})
	}
}

// direct is a crowd in front of the upstream itself.
func direct(t *testing.T, token string) (*upstream, crowd) {
	t.Helper()
	up, err := newUpstream()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(up.close)
	up.expect("/a", token)
	up.expect("/b", "")
	visitors := crowd{newVisitor(up.address, "/a", "session=1"), newVisitor(up.address, "/b", "")}
	t.Cleanup(visitors.close)
	return up, visitors
}

func TestRequestsAreCountedOnBothEnds(t *testing.T) {
	up, visitors := direct(t, "")
	for _, loop := range []func() (int, error){
		func() (int, error) { return visitors.closedLoop(t.Context(), 20*time.Millisecond) },
		func() (int, error) {
			times, err := visitors.openLoop(t.Context(), 50*time.Millisecond)
			return len(times), err
		},
	} {
		up.reset()
		requests, err := loop()
		if err != nil || requests == 0 {
			t.Fatalf("%d requests, %v", requests, err)
		}
		if err := up.check(requests); err != nil {
			t.Error(err)
		}
		if up.check(requests+1) == nil {
			t.Error("a request that never arrived was not missed")
		}
	}
}

func TestARequestWithoutItsTokenIsNoticed(t *testing.T) {
	up, visitors := direct(t, "Bearer expected")
	requests, err := visitors.closedLoop(t.Context(), 20*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	if up.check(requests) == nil {
		t.Error("requests without the token passed the check")
	}
}

func TestAFailureEndsTheLoop(t *testing.T) {
	up, visitors := direct(t, "")
	if _, err := visitors.closedLoop(t.Context(), time.Millisecond); err != nil {
		t.Fatal(err)
	}
	up.close()
	if _, err := visitors.closedLoop(t.Context(), time.Minute); err == nil {
		t.Error("a closed connection was no failure")
	}
	if _, err := visitors.openLoop(t.Context(), time.Second); err == nil {
		t.Error("a closed connection was no failure for the open loop")
	}
}

func TestIsExactly(t *testing.T) {
	for name, test := range map[string]struct {
		values   []string
		expected string
		want     bool
	}{
		"the one":                  {[]string{"a"}, "a", true},
		"another":                  {[]string{"b"}, "a", false},
		"the one twice":            {[]string{"a", "a"}, "a", false},
		"none":                     {nil, "a", false},
		"none where none belongs":  {nil, "", true},
		"one where none belongs":   {[]string{"a"}, "", false},
		"empty where none belongs": {[]string{""}, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := isExactly(test.values, test.expected); got != test.want {
				t.Errorf("isExactly(%q, %q) = %v", test.values, test.expected, got)
			}
		})
	}
}
