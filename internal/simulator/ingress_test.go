package simulator

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"
)

func TestTheIngressTellsTheAppWhereTheRequestWasMade(t *testing.T) {
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, name := range []string{"X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-Ip"} {
			w.Header()["Saw-"+name] = r.Header[name]
		}
		w.Header().Set("Saw-Host", r.Host)
	}))
	defer app.Close()
	u, err := url.Parse(app.URL)
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		options IngressOptions
		want    map[string]string
	}{
		"by default": {IngressOptions{}, map[string]string{"Host": "one.example", "X-Forwarded-Host": "one.example",
			"X-Forwarded-Proto": "https", "X-Forwarded-For": "192.0.2.1", "X-Real-Ip": "192.0.2.1"}},
		"with an internal host": {IngressOptions{Host: "runner.internal", Proto: "http"}, map[string]string{"Host": "runner.internal",
			"X-Forwarded-Host": "one.example", "X-Forwarded-Proto": "http"}},
		"believing the client": {IngressOptions{KeepForwarded: true}, map[string]string{"X-Forwarded-Host": "evil.example",
			"X-Forwarded-For": "203.0.113.9, 192.0.2.1"}},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest("GET", "http://one.example/", nil)
			r.Header.Set("X-Forwarded-Host", "evil.example")
			r.Header.Set("X-Forwarded-For", "203.0.113.9")
			rec := httptest.NewRecorder()
			Ingress(IngressTo(u), tc.options).ServeHTTP(rec, r)
			for header, want := range tc.want {
				if got := rec.Header().Get("Saw-" + header); got != want {
					t.Errorf("%s is %q, want %q", header, got, want)
				}
			}
		})
	}
}

func TestTheIngressCutsLongExchanges(t *testing.T) {
	expire := make(chan struct{})
	app := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "part")
		http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	server := httptest.NewServer(Ingress(app, IngressOptions{Cut: 5 * time.Minute, Wait: func(ctx context.Context, d time.Duration) error {
		if d != 5*time.Minute {
			t.Errorf("waits %v", d)
		}
		select {
		case <-expire:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}}))
	defer server.Close()
	res, err := http.Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	close(expire)
	if body, err := io.ReadAll(res.Body); err == nil {
		t.Errorf("a cut exchange looks complete: %q", body)
	}
}
