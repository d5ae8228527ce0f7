package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestPeersThatAreMissingAreSaidToBe(t *testing.T) {
	if _, err := os.Stat("/usr/sbin/apache2"); err == nil {
		t.Setenv("PATH", "")
		if path, err := serverProgram("apache2"); path != "/usr/sbin/apache2" {
			t.Errorf("apache2 was not found where Debian has it: %q, %v", path, err)
		}
		return
	}
	t.Setenv("PATH", t.TempDir())
	r := &rig{}
	if _, err := peers(r); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(r.missing, "\n"); !strings.Contains(got, "mod_auth_openidc (apt-get install apache2 libapache2-mod-auth-openidc)") {
		t.Errorf("missing: %q", got)
	}
}

func TestApacheAsksForSignInsOnlyWhereItIsTold(t *testing.T) {
	r := &rig{upstream: &upstream{address: "127.0.0.1:1"}, oidc: &oidcProvider{issuer: "http://127.0.0.1:2"}}
	s := &subject{address: "127.0.0.1:3"}
	for authentication, want := range map[string]bool{"": false, openIDConnect: true} {
		home := t.TempDir()
		args, err := apacheCommand(r, "/usr/sbin/apache2", authentication)(s, home)
		if err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(filepath.Join(home, "httpd.conf"))
		if err != nil {
			t.Fatal(err)
		}
		if args[0] != "/usr/sbin/apache2" || strings.Contains(string(text), "%!") {
			t.Errorf("%v with\n%s", args, text)
		}
		for _, line := range []string{
			"LoadModule auth_openidc_module /usr/lib/apache2/modules/mod_auth_openidc.so\n",
			"OIDCProviderMetadataURL http://127.0.0.1:2/.well-known/openid-configuration\n",
			"OIDCRedirectURI http://127.0.0.1:3/auth/callback\n",
			"RequestHeader set X-Pat-Jwt \"Bearer %{OIDC_access_token}e\"\n",
		} {
			if strings.Contains(string(text), line) != want {
				t.Errorf("with authentication %v: %q\n%s", want, line, text)
			}
		}
	}
}

func TestNginxListensWhereItShould(t *testing.T) {
	r := &rig{upstream: &upstream{address: "127.0.0.1:1"}}
	home := t.TempDir()
	if _, err := nginxCommand(r, "nginx")(&subject{address: "127.0.0.1:3"}, home); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(home, "nginx.conf"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"server 127.0.0.1:1;", "listen 127.0.0.1:3;"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}

func TestABrowserSignsInWhereTheSubjectDoes(t *testing.T) {
	if got := (&subject{}).signInPath("/a/1"); got != "/auth/signin?return_to=%2Fa%2F1" {
		t.Errorf("at the gateway: %s", got)
	}
	itself := &subject{signInAt: func(path string) string { return path }}
	if got := itself.signInPath("/a/1"); got != "/a/1" {
		t.Errorf("at the path itself: %s", got)
	}
}
