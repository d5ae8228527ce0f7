package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// peers are what others would run instead, of what Debian brings: as far as
// they are installed, and with servers that ask for no sign-in beside them.
func peers(r *rig) ([]*subject, error) {
	var found []*subject
	if path, err := serverProgram("nginx"); err != nil {
		r.notMeasured("nginx no auth", errors.New("apt-get install nginx"))
	} else {
		found = append(found, plainPeer("nginx no auth", nginxCommand(r, path)))
	}
	apache, err := serverProgram("apache2")
	if err != nil {
		r.notMeasured("apache no auth, mod_auth_openidc", errors.New("apt-get install apache2 libapache2-mod-auth-openidc"))
		return found, nil
	}
	found = append(found, plainPeer("apache no auth", apacheCommand(r, apache, "")))
	if _, err := os.Stat(filepath.Join(apacheModules(apache), "mod_auth_openidc.so")); err != nil {
		r.notMeasured("mod_auth_openidc", errors.New("apt-get install libapache2-mod-auth-openidc"))
		return found, nil
	}
	if r.oidc == nil {
		if r.oidc, err = newOIDCProvider(r.provider); err != nil {
			return nil, err
		}
	}
	return append(found, &subject{
		name:     "mod_auth_openidc",
		command:  apacheCommand(r, apache, openIDConnect),
		signInAt: func(path string) string { return path },
		signIn:   r.signIn,
	}), nil
}

func plainPeer(name string, command func(*subject, string) ([]string, error)) *subject {
	return &subject{name: name, command: command, signIn: everybodyGets("")}
}

// serverProgram finds a server also where only root's PATH leads.
func serverProgram(name string) (string, error) {
	path, err := exec.LookPath(name)
	if err != nil {
		path, err = exec.LookPath(filepath.Join("/usr/sbin", name))
	}
	return path, err
}

// apacheModules is where Debian keeps the modules of an Apache in some sbin.
func apacheModules(program string) string {
	return filepath.Join(filepath.Dir(program), "..", "lib", "apache2", "modules")
}

const nginxConfig = `daemon off;
worker_processes 1;
pid nginx.pid;
error_log stderr error;
events { worker_connections 1024; }
http {
	access_log off;
	client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
	keepalive_requests 1000000000;
	keepalive_timeout 1h;
	upstream app { server %s; keepalive 64; keepalive_requests 1000000000; }
	server {
		listen %s;
		location / { proxy_pass http://app; proxy_http_version 1.1; proxy_set_header Connection ""; }
	}
}
`

func nginxCommand(r *rig, program string) func(*subject, string) ([]string, error) {
	return func(s *subject, home string) ([]string, error) {
		config := filepath.Join(home, "nginx.conf")
		text := fmt.Sprintf(nginxConfig, r.upstream.address, s.address)
		return []string{program, "-p", home, "-c", config, "-e", "stderr"}, os.WriteFile(config, []byte(text), 0o600)
	}
}

// One process with a thread for each visitor and more, so that none is started
// while measuring.
const apacheConfig = `ServerRoot %[1]s
ServerName bench
DefaultRuntimeDir %[1]s
PidFile %[1]s/httpd.pid
ErrorLog /dev/stderr
LogLevel error
Listen %[2]s
StartServers 1
ServerLimit 1
ThreadsPerChild 64
MaxRequestWorkers 64
MinSpareThreads 1
MaxSpareThreads 64
KeepAlive On
MaxKeepAliveRequests 0
KeepAliveTimeout 3600
ProxyPass /auth/ !
ProxyPass / http://%[3]s/
`

// Sessions in shared memory, which is the module's default and its fastest.
const openIDConnect = `OIDCProviderMetadataURL %[1]s
OIDCProviderTokenEndpointAuth client_secret_post
OIDCIDTokenSignedResponseAlg HS256
OIDCClientID %[2]s
OIDCClientSecret %[3]s
OIDCRedirectURI http://%[4]s/auth/callback
OIDCCryptoPassphrase %[3]s
OIDCScope openid
OIDCCacheType shm
OIDCPassClaimsAs environment
OIDCSessionInactivityTimeout %[5]d
OIDCSessionMaxDuration %[5]d
<Location />
	AuthType openid-connect
	Require valid-user
	RequestHeader set %[6]s "Bearer %%{OIDC_access_token}e"
</Location>
`

func apacheCommand(r *rig, program, authentication string) func(*subject, string) ([]string, error) {
	return func(s *subject, home string) ([]string, error) {
		var text strings.Builder
		modules := []string{"mpm_event", "authn_core", "authz_core", "proxy", "proxy_http"}
		if authentication != "" {
			modules = append(modules, "authz_user", "headers", "auth_openidc")
		}
		for _, module := range modules {
			fmt.Fprintf(&text, "LoadModule %s_module %s/mod_%s.so\n", module, apacheModules(program), module)
		}
		fmt.Fprintf(&text, apacheConfig, home, s.address, r.upstream.address)
		if os.Geteuid() == 0 { // Apache serves nothing as root
			text.WriteString("User nobody\nGroup #65534\n")
		}
		if authentication != "" {
			fmt.Fprintf(&text, authentication, r.oidc.issuer+discovery, peerID, peerSecret, s.address, lifetime, tokenHeader)
		}
		config := filepath.Join(home, "httpd.conf")
		return []string{program, "-f", config, "-DFOREGROUND"}, os.WriteFile(config, []byte(text.String()), 0o600)
	}
}
