package integration

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// nginxServer is a real nginx with a directory of its own. It takes every field
// name a client can send, writes down what its variables say of a request, and
// passes the request on to an app that keeps what comes.
type nginxServer struct {
	t       testing.TB
	address string
	dir     string
	behind  *rawApp
}

// nginxConfig: names with underscores and dots are let in, which is where
// x_pat_jwt and x-pat-jwt become one variable.
const nginxConfig = `daemon off;
master_process off;
pid nginx.pid;
error_log stderr;
events {}
http {
	underscores_in_headers on;
	ignore_invalid_headers off;
	client_body_temp_path body;
	proxy_temp_path proxy;
	fastcgi_temp_path fastcgi;
	uwsgi_temp_path uwsgi;
	scgi_temp_path scgi;
	log_format seen escape=json '{"uri":"$request_uri","method":"$request_method","pat":"$http_x_pat_jwt","jwt":"$http_x_jwt",'
		'"authorization":"$http_authorization","user":"$http_x_osc_user","tenant":"$http_x_osc_tenant","admin":"$http_x_osc_admin",'
		'"cookie":"$http_cookie","session":"$cookie_osc_session","override":"$http_x_http_method_override$http_x_method_override",'
		'"claims":"$http_forwarded$http_x_real_ip$http_x_original_url$http_x_forwarded_prefix"}';
	access_log requests.json seen;
	server {
		listen {address};
		location / { proxy_pass http://{behind}; }
	}
}
`

// nginxSaw is what nginx's variables said of a request.
type nginxSaw struct {
	URI, Method, Pat, Jwt, Authorization, User, Tenant, Admin, Cookie, Session, Override, Claims string
}

func newNginx(t testing.TB) *nginxServer {
	t.Helper()
	s := &nginxServer{t: t, address: freeAddress(t), dir: t.TempDir(), behind: newRawApp(t)}
	config := filepath.Join(s.dir, "nginx.conf")
	mustWrite(t, config, strings.NewReplacer("{address}", s.address, "{behind}", s.behind.address()).Replace(nginxConfig))
	path := program(t, "OSC_GATEWAY_TEST_NGINX", "nginx", "/usr/sbin/nginx")
	startServer(t, "nginx", s.address, exec.Command(path, "-e", "stderr", "-p", s.dir, "-c", config))
	return s
}

// saw are the requests nginx has written down; it does so after it answered.
func (s *nginxServer) saw(count int) []nginxSaw {
	s.t.Helper()
	var lines [][]byte
	eventually(s.t, "nginx has written down every request", func() bool {
		text, err := os.ReadFile(filepath.Join(s.dir, "requests.json"))
		if err != nil {
			s.t.Fatal(err)
		}
		lines = bytes.SplitAfter(text, []byte("\n"))
		return len(lines) > count
	})
	var all []nginxSaw
	for _, line := range lines[:len(lines)-1] {
		var one nginxSaw
		if err := json.Unmarshal(line, &one); err != nil {
			s.t.Fatalf("%s: %v", line, err)
		}
		all = append(all, one)
	}
	return all
}
