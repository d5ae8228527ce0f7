package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
)

func TestOnlyNamedHostsAreServedWhereTheyAreKnown(t *testing.T) {
	for from, want := range map[string][]string{
		":8080":                        nil, // any host is
		"app.example.com":              {`https:// {`, `http:// {`},
		"https://app.example.com:8443": {`https://:8443 {`, `http:// {`},
		"http://localhost:8080":        {"http://:8080 {\n\tbind 127.0.0.1"},
		"127.0.0.1:8080":               {"http://:8080 {\n\tbind 127.0.0.1"},
		"[::1]:8080":                   {"http://:8080 {\n\tbind ::1"},
		"192.0.2.1:8080":               {"http://:8080 {\n\tbind 192.0.2.1"},
	} {
		got := text(t, given{"to": {":3000"}, "from": {from}})
		if strings.Count(got, "421") != len(want) {
			t.Errorf("--from %s:\n%s", from, got)
		}
		for _, line := range want {
			if !strings.Contains(got, "\n"+line+"\n\trespond ") {
				t.Errorf("--from %s: %s is missing in\n%s", from, line, got)
			}
		}
	}
	got := text(t, given{"to": {":3000"}, "public-url": {"https://app.example.com", "https://app.example.org:8443"}, "endpoints": {"/signin"}})
	for _, line := range []string{`not host "app.example.com" "app.example.org" "localhost" "*.localhost"`, `not path "/signin/health"`, "respond @elsewhere"} {
		if !strings.Contains(got, line) {
			t.Errorf("%s is missing in\n%s", line, got)
		}
	}
}

// A proxy on the same machine comes to the address, under the public name.
func TestAnAddressOfThisMachineServesThePublicName(t *testing.T) {
	got := text(t, given{"to": {":3000"}, "from": {"127.0.0.1:8080"}, "public-url": {"https://app.example.com"}})
	if !strings.Contains(got, "\"http://:8080\" {\n\tbind 127.0.0.1\n\t@elsewhere {\n\t\tnot host \"app.example.com\"") || strings.Count(got, "421") != 1 {
		t.Error(got)
	}
}

// Nobody asks for 0.0.0.0, which containers are told to listen at.
func TestAllAddressesAreForAnyHost(t *testing.T) {
	for from, ip := range map[string]string{"0.0.0.0:8080": "0.0.0.0", "[::]:8080": "::"} {
		if got := text(t, given{"to": {":3000"}, "from": {from}}); !strings.Contains(got, "\"http://:8080\" {\n\tbind "+ip+"\n") || strings.Contains(got, "421") {
			t.Errorf("--from %s:\n%s", from, got)
		}
	}
}

// Caddy does not start with a host that is named twice.
func TestAHostThatIsServedIsNamedOnce(t *testing.T) {
	for _, test := range []struct {
		publicURLs []string
		want       string
	}{
		{[]string{"http://localhost:8080"}, `not host "localhost" "*.localhost"`},
		{[]string{"https://App.example.com", "https://app.example.com:8443"}, `not host "app.example.com" "localhost" "*.localhost"`},
	} {
		if got := text(t, given{"to": {":3000"}, "public-url": test.publicURLs}); !strings.Contains(got, test.want+"\n") {
			t.Errorf("%s is missing in\n%s", test.want, got)
		}
	}
}

func TestTheAdminAPIIsOnASocketOfItsOwn(t *testing.T) {
	t.Setenv("XDG_DATA_HOME", t.TempDir())
	seen := map[string]bool{}
	for _, address := range []string{"http://:8080", "http://:8081", "http://localhost:8080", "app.example.com", "http://[::1]:8080"} {
		got, err := adminListen(given{}, address)
		path, isSocket := strings.CutPrefix(got, "unix/")
		if err != nil || seen[got] || !isSocket || filepath.Dir(path) != filepath.Join(caddy.AppDataDir(), "osc_auth") {
			t.Errorf("%s: %q, %v", address, got, err)
		}
		seen[got] = true
	}
	t.Setenv("XDG_DATA_HOME", "/"+strings.Repeat("deep/", 30))
	if got, err := adminListen(given{}, "http://:8080"); err != nil || got != noAdmin {
		t.Errorf("where no socket's path fits it is %q, %v", got, err)
	}
	for listen, fine := range map[string]bool{
		"off": true, "localhost:2019": true, "127.0.0.1:2019": true, "[::1]:2019": true, "unix//run/a.sock": true,
		":2019": false, "0.0.0.0:2019": false, "gateway:2019": false, "10.0.0.1:2019": false, "2019": false,
	} {
		if _, err := adminListen(given{"admin": {listen}}, "http://:8080"); (err == nil) != fine {
			t.Errorf("--admin %s: %v", listen, err)
		}
	}
}

func TestMetricsAreNotWhereVisitorsCome(t *testing.T) {
	if _, err := configure(given{"to": {":3000"}, "from": {":8080"}, "metrics-from": {"127.0.0.1:8080"}}); err == nil {
		t.Error("they may be on the same port")
	}
	if got := text(t, given{"to": {":3000"}}); strings.Contains(got, "metrics") {
		t.Error("they are somewhere by default")
	}
	if got := text(t, given{"to": {":3000"}, "metrics-from": {"127.0.0.1:9180"}}); !strings.Contains(got, "http://:9180 {\n\tbind \"127.0.0.1\"\n\tmetrics /metrics") {
		t.Error(got)
	}
}
