package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestHealthAsksWhereProxyListens(t *testing.T) {
	t.Setenv("PORT", "")
	for _, test := range []struct {
		port, from, endpoints string
		want                  string
	}{
		{"", "", "", "http://127.0.0.1:8080/auth/health"},
		{"9000", "", "", "http://127.0.0.1:9000/auth/health"},
		{"9000", ":9001", "", "http://127.0.0.1:9001/auth/health"},
		{"", "0.0.0.0:9002", "/_osc", "http://127.0.0.1:9002/_osc/health"},
		{"", "http://127.0.0.2:9003", "", "http://127.0.0.2:9003/auth/health"},
		{"", "app.example.com", "", ""}, // https, and a certificate of that name
		{"", ":99999", "", ""},
	} {
		t.Setenv("PORT", test.port)
		got, err := healthURL(func(name string) string {
			return map[string]string{"OSC_GATEWAY_FROM": test.from, "OSC_GATEWAY_ENDPOINTS": test.endpoints}[name]
		})
		if got != test.want || (err == nil) != (test.want != "") {
			t.Errorf("%+v: %q %v", test, got, err)
		}
	}
}

func TestHealthIsWhatTheGatewayAnswers(t *testing.T) {
	status, body := http.StatusOK, `{"status":"ok"}`
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}))
	defer server.Close()
	if err := askHealth(server.URL); err != nil {
		t.Error(err)
	}
	status, body = http.StatusServiceUnavailable, `{"reason":"store_unavailable"}`
	if err := askHealth(server.URL); err == nil || !strings.HasSuffix(err.Error(), "503 store_unavailable") {
		t.Errorf("the error is %v", err)
	}
	status, body = http.StatusBadGateway, "<html>"
	if err := askHealth(server.URL); err == nil {
		t.Error("a page that is not the gateway's passes for health")
	}
	server.Close()
	if err := askHealth(server.URL); err == nil {
		t.Error("nobody there passes for health")
	}
}
