package integration

import (
	"compress/gzip"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// traces is an OpenTelemetry collector: what gateways send it over HTTP.
type traces struct {
	t      testing.TB
	server *httptest.Server
	mu     sync.Mutex
	raw    []byte
	spans  []*trace.Span
}

func newTraces(t testing.TB) *traces {
	t.Helper()
	c := &traces{t: t}
	c.server = httptest.NewServer(c)
	t.Cleanup(c.server.Close)
	return c
}

func (c *traces) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	body := io.Reader(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		var err error
		if body, err = gzip.NewReader(body); err != nil {
			c.t.Error(err)
			return
		}
	}
	raw, err := io.ReadAll(body)
	if err != nil {
		return // the gateway ended
	}
	var sent collector.ExportTraceServiceRequest
	if err := proto.Unmarshal(raw, &sent); err != nil {
		c.t.Error(err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.raw = append(c.raw, raw...)
	for _, resource := range sent.ResourceSpans {
		for _, scope := range resource.ScopeSpans {
			c.spans = append(c.spans, scope.Spans...)
		}
	}
}

// below lists the names of all spans below one of a name, with a star for those
// that failed.
func (c *traces) below(name string) map[string]bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	parents := map[string]*trace.Span{}
	for _, span := range c.spans {
		parents[string(span.SpanId)] = span
	}
	found := map[string]bool{}
	for _, span := range c.spans {
		for at := parents[string(span.ParentSpanId)]; at != nil; at = parents[string(at.ParentSpanId)] {
			if at.Name == name && hex.EncodeToString(at.TraceId) == hex.EncodeToString(span.TraceId) {
				label := span.Name
				if span.Status.GetCode() == trace.Status_STATUS_CODE_ERROR {
					label += " *"
				}
				found[label] = true
			}
		}
	}
	return found
}

func TestATraceShowsWhatWasAskedOfProviderAndStoreAndNoSecret(t *testing.T) {
	t.Parallel()
	received := newTraces(t)
	w := newWorld(t, setup{
		site: "\ttracing {\n\t\tspan the-request\n\t}\n" + usualSite,
		env: []string{
			"OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf", "OTEL_EXPORTER_OTLP_ENDPOINT=" + received.server.URL, "OTEL_BSP_SCHEDULE_DELAY=50",
		},
	})
	w.quickly()
	v := w.visitor()
	if page := v.signIn("/studio"); page.Status != http.StatusOK {
		t.Fatal(page)
	}
	want := []string{"osc_auth provider token", "osc_auth store create", "osc_auth store load"}
	eventually(t, "the spans have arrived", func() bool {
		below := received.below("the-request")
		for _, name := range want {
			if !below[name] {
				return false
			}
		}
		return true
	})
	w.gateway.stop()
	received.mu.Lock()
	defer received.mu.Unlock()
	w.canaries.absent(t, "the traces", received.raw)
	if session := v.session(); session == "" || strings.Contains(string(received.raw), session) {
		t.Error("the traces hold the session's cookie")
	}
	endpoints := map[string]bool{}
	for _, span := range received.spans {
		for _, attribute := range span.Attributes {
			if attribute.Key == "osc_auth.endpoint" {
				endpoints[attribute.Value.GetStringValue()] = true
			}
		}
	}
	if !endpoints["token"] {
		t.Errorf("endpoints %v", endpoints)
	}
}
