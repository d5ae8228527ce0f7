package gate_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/Eyevinn/osc-gateway/internal/gate"
)

// What a request costs is gated by counting, which no other program on the
// machine disturbs. A request of its own and a header are the test's.
func TestASignedInRequestCostsFewAllocations(t *testing.T) {
	for _, tt := range []struct {
		name   string
		routes *gate.Table
		most   float64
	}{
		// The passenger, the record, the context, the request that carries it, and what
		// is left of the Cookie line.
		{"on a site of one route", oneRoute(), 5},
		// And its path with a slash at the end.
		{"on a route that others are stricter than", standardRoutes(), 7},
	} {
		g, lines := benchRig(t, 1, func(_ *rig, cfg *gate.Config) { cfg.Routes = tt.routes })
		base, w := request(t, "GET", "/app/page", bare), httptest.NewRecorder()
		header := browserHeader()
		serve := func() {
			req := *base
			req.Header = header
			req.Header["Cookie"] = lines[:1:1]
			line := lines[0]
			if err := g.ServeHTTP(w, &req, nothing); err != nil || w.Code != http.StatusOK {
				t.Fatal(err, w.Code)
			}
			lines[0] = line // it was cut in place
		}
		const own = 1 // the request
		if got := testing.AllocsPerRun(1000, serve) - own; got > tt.most {
			t.Errorf("%s: %v allocations, at most %v were allowed", tt.name, got, tt.most)
		}
	}
}

// oneRoute is a site that asks the same everywhere.
func oneRoute() *gate.Table {
	return gate.NewTable(&gate.Route{Mode: gate.Required, Token: patHeader, Identity: true}, false)
}
