package caddymodule

import (
	"fmt"
	"net"
	"net/http"
	"net/http/fcgi"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestPHPReadsTheTokenAndNothingAClientClaims puts osc_auth in front of
// php_fastcgi, with a FastCGI program for PHP, which turns fields into variables:
// X-Pat-Jwt and X_Pat_Jwt would be one.
func TestPHPReadsTheTokenAndNothingAClientClaims(t *testing.T) {
	w := newWorld(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go fcgi.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%q %q %q", r.Header["X-Pat-Jwt"], r.Header["X-Osc-User"], r.Header["X-Osc-Tenant"])
	}))
	root := t.TempDir()
	if err := os.WriteFile(filepath.Join(root, "index.php"), []byte("<?php"), 0o600); err != nil {
		t.Fatal(err)
	}
	g := w.serve(formatted(fmt.Sprintf(`{
		osc_auth {
			issuer {$OSC}
		}
	}
	http://localhost:8080 {
		root %s
		osc_auth {
			public /static/*
		}
		php_fastcgi %s
		file_server
	}
	`, root, listener.Addr())))
	const here = "http://localhost:8080"
	forged := []string{"X-Pat-Jwt: Bearer forged", "X_Osc_User: root", "X.Osc.Tenant: everything"}
	if got := g.browser().asks("GET", here+"/static/a", forged...); got.body != `[] [] []` {
		t.Errorf("on a public route PHP reads %s", got.body)
	}
	b := g.browser()
	b.signsIn(here + "/wiki")
	got := b.asks("GET", here+"/wiki", forged...)
	if !strings.HasPrefix(got.body, `["Bearer ey`) || !strings.HasSuffix(got.body, `["alice"] ["acme"]`) || strings.Contains(got.body, "forged") {
		t.Errorf("PHP reads %s", got.body)
	}
}
