package integration

import (
	"context"
	"encoding/json"
	"io/fs"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/Eyevinn/osc-gateway/internal/simulator"
)

// finding is a line of what doctor says, as JSON.
type finding struct {
	Check, Site, Status, Message, Fix string
}

// doctor runs the command on a set-up, beside a gateway that may be running.
func (g *gateway) doctor(args ...string) (findings []finding, status int) {
	g.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, append([]string{"doctor", "--json", "--timeout", "20s"}, args...)...)
	cmd.Env, cmd.Dir = g.environment(), g.dir
	output, _ := cmd.Output()
	g.canaries.absent(g.t, "what doctor says", output)
	if err := json.Unmarshal(output, &findings); err != nil {
		g.t.Fatalf("%v: %s", err, output)
	}
	return findings, cmd.ProcessState.ExitCode()
}

// mustFind looks for a finding with words in its message or fix.
func mustFind(t testing.TB, findings []finding, check, status string, words ...string) {
	t.Helper()
	for _, found := range findings {
		all := found.Check == check && found.Status == status
		for _, word := range words {
			all = all && strings.Contains(found.Message+" Fix: "+found.Fix, word)
		}
		if all {
			return
		}
	}
	t.Errorf("no %s of %s says %q: %+v", status, check, words, findings)
}

// nginxFront is an nginx in front of the gateway, with lines for its location.
func nginxFront(t testing.TB, address, behind, location, lines string) {
	t.Helper()
	dir := t.TempDir()
	config := filepath.Join(dir, "nginx.conf")
	mustWrite(t, config, `daemon off;
master_process off;
pid nginx.pid;
error_log stderr;
events {}
http {
	access_log off;
	client_body_temp_path body;
	proxy_temp_path proxy;
	fastcgi_temp_path fastcgi;
	uwsgi_temp_path uwsgi;
	scgi_temp_path scgi;
	server {
		listen `+address+`;
		location `+location+` {
			proxy_pass http://`+behind+`;
`+lines+`
		}
	}
}
`)
	path := program(t, "OSC_GATEWAY_TEST_NGINX", "nginx", "/usr/sbin/nginx")
	startServer(t, "nginx", address, exec.Command(path, "-e", "stderr", "-p", dir, "-c", config))
}

// examined is a world with an address for an nginx in front, at which the
// gateway's client is registered.
type examined struct {
	*world
	front string // host:port
}

const passHost = "\t\t\tproxy_set_header Host $http_host;\n"

// newExamined makes the world; of the Caddyfile, {front} is nginx's address.
func newExamined(t testing.TB, global, site string, env ...string) *examined {
	t.Helper()
	address := freeAddress(t)
	_, port, _ := net.SplitHostPort(address)
	public := "localhost:" + port
	if site == "" {
		site = "\tosc_proxy {upstream} {\n\t\tpublic_url http://{front}\n\t}\n"
	}
	w := newWorld(t, setup{
		global: "\t\tclient_id {env.OSC_CLIENT_ID}\n\t\tclient_secret {env.OSC_CLIENT_SECRET}\n" + global,
		site:   strings.ReplaceAll(site, "{front}", public),
		env:    append([]string{"OSC_CLIENT_ID=our-app", "OSC_CLIENT_SECRET=" + marker + "-secret"}, env...),
	})
	w.canaries.note(clientSecret, marker+"-secret")
	w.osc.allow("our-app", marker+"-secret", "http://"+public+"/auth/callback")
	return &examined{w, address}
}

func (e *examined) doctor(args ...string) ([]finding, int) {
	e.t.Helper()
	return e.gateway.doctor(append([]string{"--config", e.gateway.config}, args...)...)
}

func TestDoctorFindsNothingWrongWhereNothingIsAndLeavesNothing(t *testing.T) {
	t.Parallel()
	e := newExamined(t, "", "")
	nginxFront(t, e.front, e.gateway.address, "/", passHost)
	findings, status := e.doctor()
	if status != 0 {
		t.Errorf("status %d", status)
	}
	mustFind(t, findings, "configuration", "ok", "one site")
	mustFind(t, findings, "store", "ok", "in use by a running gateway")
	mustFind(t, findings, "discovery", "ok", e.osc.URL)
	mustFind(t, findings, "clock", "ok")
	mustFind(t, findings, "listen", "ok", "the gateway answers")
	mustFind(t, findings, "client", "ok", "knows client our-app")
	mustFind(t, findings, "public-url", "ok")
	mustFind(t, findings, "sign-in", "ok", "/auth/callback")
	mustFind(t, findings, "cookies", "ok", "come back")
	mustFind(t, findings, "caching", "ok")
	mustFind(t, findings, "upstream", "ok", "status 200")
	for _, found := range findings {
		if found.Status == "fail" {
			t.Errorf("%+v", found)
		}
	}
	counters := e.osc.Counters()
	if counters.Registrations != 0 || counters.CodeExchanges != 0 {
		t.Errorf("at OSC: %+v", counters)
	}
	if sessions := e.gateway.mustAdmin(http.MethodGet, "/osc_auth/sessions"); strings.TrimSpace(sessions) != "[]" {
		t.Errorf("sessions: %s", sessions)
	}
}

func TestDoctorRegistersNoClientUnlessItMay(t *testing.T) {
	t.Parallel()
	w := newWorld(t, setup{})
	examine := func(args ...string) []finding {
		t.Helper()
		findings, status := w.gateway.doctor(append([]string{"--config", w.gateway.config}, args...)...)
		if status != 0 {
			t.Errorf("status %d: %+v", status, findings)
		}
		return findings
	}
	findings := examine()
	mustFind(t, findings, "sign-in", "skip", "--register")
	mustFind(t, findings, "cookies", "ok", "come back")
	if n := w.osc.Counters().Registrations; n != 0 {
		t.Errorf("%d registrations", n)
	}
	mustFind(t, examine("--register"), "sign-in", "ok", "/auth/callback")
	if n := w.osc.Counters().Registrations; n != 1 {
		t.Errorf("%d registrations with --register", n)
	}
}

func TestDoctorSeesWhatANginxInFrontDoes(t *testing.T) {
	t.Parallel()
	anyHost := "\tosc_proxy {upstream}\n"
	for name, test := range map[string]struct {
		site, location, lines string
		check                 string
		says                  []string
	}{
		"Set-Cookie is hidden":  {"", "/", passHost + "proxy_hide_header Set-Cookie;", "cookies", []string{"taken off on the way"}},
		"the path is rewritten": {"", "/", passHost + "proxy_cookie_path / /app/;", "cookies", []string{`Path is "/app/"`}},
		"Cookie is dropped":     {"", "/", passHost + `proxy_set_header Cookie "";`, "cookies", []string{"do not come back"}},
		"Host is dropped":       {anyHost, "/", "", "public-url", []string{"not the gateway"}},
		"only a part is passed": {"", "/app/", passHost, "public-url", []string{"status 404", "/auth/*"}},
		"no-store is removed":   {"", "/", passHost + "proxy_hide_header Cache-Control;", "caching", []string{"no-store"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newExamined(t, "", test.site)
			nginxFront(t, e.front, e.gateway.address, test.location, test.lines)
			if test.site == anyHost { // examined where its visitors are
				e.gateway.configure("\t\tissuer "+e.osc.URL+"\n", e.withUpstream("\tosc_proxy {upstream} {\n\t\tpublic_url http://"+e.front+"\n\t}\n"))
			}
			findings, status := e.doctor()
			want, wantStatus := "fail", 1
			if test.check == "caching" {
				want, wantStatus = "warn", 0
			}
			mustFind(t, findings, test.check, want, test.says...)
			if status != wantStatus {
				t.Errorf("status %d", status)
			}
		})
	}
}

func TestDoctorSeesAPublicURLOfTheWrongScheme(t *testing.T) {
	t.Parallel()
	e := newExamined(t, "", "\tosc_proxy {upstream} {\n\t\tpublic_url https://{front}\n\t}\n")
	nginxFront(t, e.front, e.gateway.address, "/", passHost)
	findings, status := e.doctor()
	mustFind(t, findings, "public-url", "fail", "speaks plain http where https was expected")
	mustFind(t, findings, "client", "fail", "register https://localhost:")
	if status != 1 {
		t.Errorf("status %d", status)
	}
}

func TestDoctorComparesTheClockWithTheProviders(t *testing.T) {
	t.Parallel()
	w := newWorld(t, setup{oscDown: true})
	simulated := w.osc.handler
	w.osc.handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Date", time.Now().Add(95*time.Second).UTC().Format(http.TimeFormat))
		simulated.ServeHTTP(w, r)
	})
	w.osc.up()
	findings, status := w.gateway.doctor("--config", w.gateway.config, "--only", "discovery,clock")
	mustFind(t, findings, "clock", "fail", "behind the provider", "timedatectl set-ntp true")
	if status != 1 || len(findings) != 2 {
		t.Errorf("status %d: %+v", status, findings)
	}
}

func TestDoctorSeesAStoreThatIsAway(t *testing.T) {
	t.Parallel()
	redis := newRedis(t, durable...)
	e := newExamined(t, redis.store(), "", "OSC_GATEWAY_KEY="+gatewayKey)
	findings, status := e.doctor("--only", "store")
	mustFind(t, findings, "store", "ok", "changes are announced")
	if keys, err := redis.command("DBSIZE"); status != 0 || err != nil || keys != ":0" {
		t.Errorf("status %d, %s records (%v)", status, keys, err)
	}
	redis.kill()
	findings, status = e.doctor("--only", "store,listen")
	mustFind(t, findings, "store", "fail", "start the server")
	mustFind(t, findings, "listen", "ok", "the gateway answers")
	if status != 1 {
		t.Errorf("status %d", status)
	}
}

func TestDoctorKnowsAMaskedSecret(t *testing.T) {
	t.Parallel()
	g := newGateway(t, &canaries{}, "OSC_CLIENT_ID=our-app", "OSC_CLIENT_SECRET=***")
	findings, status := g.doctor("--to", ":3000")
	mustFind(t, findings, "variables", "fail", "OSC_CLIENT_SECRET reads ***", "plain parameter")
	mustFind(t, findings, "configuration", "fail", "***")
	mustFind(t, findings, "public-url", "skip", "does not load")
	if status != 1 {
		t.Errorf("status %d", status)
	}
}

func TestDoctorSaysWhereAConfigurationIsWrong(t *testing.T) {
	t.Parallel()
	g := newGateway(t, &canaries{})
	findings, status := g.doctor()
	mustFind(t, findings, "configuration", "fail", "Caddyfile: there is no such file", "--config")
	if status != 1 {
		t.Errorf("status %d", status)
	}
	mustWrite(t, g.config, "localhost {\n\tosc_proxy localhost:3000 {\n\t\tpubic /assets/*\n\t}\n}\n")
	findings, _ = g.doctor() // the Caddyfile beside it
	mustFind(t, findings, "configuration", "fail", "Caddyfile:3", "pubic")
	findings, _ = g.doctor("--config", g.config, "--to", ":3000")
	mustFind(t, findings, "configuration", "fail", "exclude each other")
	if output, status := g.run("doctor", "--only", "clocks"); status != 1 || !strings.Contains(output, "no such check") {
		t.Errorf("status %d: %s", status, output)
	}
}

func TestDoctorBeforeTheFirstStartSaysSoAndWritesNothing(t *testing.T) {
	t.Parallel()
	c := &canaries{}
	provider := newOSC(t, c)
	provider.up()
	provider.SetKnobs(func(k *simulator.Knobs) { k.Discovery.Mode = "404" })
	g := newGateway(t, c)
	findings, status := g.doctor("--to", "127.0.0.1:1", "--from", g.anyHost(), "--issuer", provider.URL, "--public-url", "https://team-app.eyevinn-web-runner.auto.prod.osaas.io", "--", "npm", "start")
	mustFind(t, findings, "listen", "ok", "not running")
	mustFind(t, findings, "discovery", "fail", "/.well-known/oauth-authorization-server")
	mustFind(t, findings, "public-url", "fail", "My Apps")
	mustFind(t, findings, "upstream", "skip", "the gateway starts the app itself")
	mustFind(t, findings, "redirect-uri", "ok", "https://team-app.eyevinn-web-runner.auto.prod.osaas.io/auth/callback")
	if status != 1 {
		t.Errorf("status %d", status)
	}
	err := filepath.WalkDir(filepath.Join(g.dir, "home"), func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			t.Errorf("it wrote %s", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestDoctorInATerminalIsALineForEachCheck(t *testing.T) {
	t.Parallel()
	g := newGateway(t, &canaries{})
	output, status := g.run("doctor", "--to", "127.0.0.1:1", "--from", g.anyHost(), "--only", "configuration,upstream", "--store", "memory")
	if status != 1 || output != "ok    configuration  loaded the options, with one site behind the gateway\n"+
		"FAIL  upstream       nothing listens at 127.0.0.1:1. Fix: start the app, or correct its address.\n" {
		t.Errorf("status %d:\n%s", status, output)
	}
}
