package doctor

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/Eyevinn/osc-gateway/internal/simulator"
	"github.com/Eyevinn/osc-gateway/internal/tokens"
)

// newProvider is a simulated OSC.
func newProvider(t *testing.T) (*simulator.Server, string) {
	t.Helper()
	var osc *simulator.Server
	server := serve(t, func(w http.ResponseWriter, r *http.Request) { osc.ServeHTTP(w, r) })
	osc = simulator.New(simulator.Config{Issuer: server.URL})
	t.Cleanup(func() { _ = osc.Close() })
	return osc, server.URL
}

func TestTheWaysDiscoveryGoesWrongAreToldApart(t *testing.T) {
	fault := func(f simulator.Fault) func(*simulator.Knobs) {
		f.Endpoint = simulator.EndpointDiscovery
		return func(k *simulator.Knobs) { k.Faults = []simulator.Fault{f} }
	}
	mode := func(mode string) func(*simulator.Knobs) {
		return func(k *simulator.Knobs) { k.Discovery.Mode = mode }
	}
	document := func(replace ...string) func(*simulator.Knobs) {
		text := strings.NewReplacer(append(replace, "GRANT", "authorization_code", "KIND", "code", "METHOD", "S256")...).Replace(
			`{"issuer":"ISSUER","authorization_endpoint":"AUTHORIZE","token_endpoint":"https://osc.example/token",` +
				`"registration_endpoint":"https://osc.example/register","grant_types_supported":["GRANT"],` +
				`"response_types_supported":["KIND"],"code_challenge_methods_supported":["METHOD"]}`)
		return fault(simulator.Fault{Kind: simulator.FaultReply, Body: text, Headers: map[string]string{"Content-Type": "application/json"}})
	}
	for name, test := range map[string]struct {
		turn   func(*simulator.Knobs)
		status Status
		says   string
	}{
		"as it should be":     {mode("ok"), OK, "answered in"},
		"with more":           {mode("extra_fields"), OK, "answered in"},
		"not there":           {mode("404"), Fail, "has no /.well-known/oauth-authorization-server"},
		"out of order":        {mode("500"), Fail, "status 500 Fix: wait"},
		"a web page":          {mode("html"), Fail, "a web page in place of its metadata"},
		"another issuer":      {mode("wrong_issuer"), Fail, `its issuer is "https://issuer.invalid"`},
		"a redirect":          {fault(simulator.Fault{Kind: simulator.FaultRedirect307, Location: "https://elsewhere.example/x?code=secret"}), Fail, "redirects (status 307) to https://elsewhere.example Fix"},
		"no JSON":             {fault(simulator.Fault{Kind: simulator.FaultReply, Body: "hello"}), Fail, "no metadata"},
		"closed":              {fault(simulator.Fault{Kind: simulator.FaultCloseBefore}), Fail, "closes the connection"},
		"refused":             {fault(simulator.Fault{Kind: simulator.FaultReply, Status: 403}), Fail, "status 403"},
		"http endpoint":       {document("AUTHORIZE", "http://osc.example/authorize"), Fail, "authorization_endpoint is not an https URL"},
		"no code grant":       {document("GRANT", "implicit"), Fail, "grant_types_supported lacks authorization_code"},
		"no code response":    {document("KIND", "token"), Fail, "response_types_supported lacks code"},
		"no S256":             {document("METHOD", "plain"), Fail, "code_challenge_methods_supported lacks S256"},
		"fields that are not": {fault(simulator.Fault{Kind: simulator.FaultReply, Body: `{"issuer":"ISSUER"}`}), Warn, "without authorization_endpoint, token_endpoint"},
	} {
		t.Run(name, func(t *testing.T) {
			osc, issuer := newProvider(t)
			osc.SetKnobs(test.turn)
			osc.SetKnobs(func(k *simulator.Knobs) {
				for i := range k.Faults {
					k.Faults[i].Body = strings.NewReplacer("ISSUER", issuer, "AUTHORIZE", issuer+"/authorize").Replace(k.Faults[i].Body)
				}
			})
			results := examine(t, Config{Setup: &Setup{Issuer: issuer}}, CheckDiscovery)
			found := expect(t, results, CheckDiscovery, test.status, test.says)
			if strings.Contains(found.Message, "secret") {
				t.Errorf("it repeats what may be secret: %s", found.Message)
			}
		})
	}
}

func TestAProviderThatCannotBeReachedIsToldWhy(t *testing.T) {
	encrypted := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(encrypted.Close)
	plain := serve(t, http.NotFound)
	held := make(chan struct{})
	silent := serve(t, func(http.ResponseWriter, *http.Request) { <-held })
	t.Cleanup(func() { close(held) })
	for name, test := range map[string]struct {
		issuer  string
		timeout time.Duration
		says    string
	}{
		"nobody listens":    {"http://" + away(t), patience, "nothing listens at"},
		"no such name":      {"https://osc-gateway-doctor.invalid", patience, "osc-gateway-doctor.invalid"},
		"unknown authority": {encrypted.URL, patience, "of an authority this machine does not know, issued by Acme Co"},
		"plain http":        {strings.Replace(plain.URL, "http:", "https:", 1), patience, "speaks plain http where https was expected"},
		"no answer":         {silent.URL, 50 * time.Millisecond, "does not answer within 50ms"},
	} {
		t.Run(name, func(t *testing.T) {
			results := examine(t, Config{Setup: &Setup{Issuer: test.issuer}, Timeout: test.timeout}, CheckDiscovery, CheckClock, CheckProviderTLS)
			expect(t, results, CheckDiscovery, Fail, test.says)
			expect(t, results, CheckClock, Skip, "the provider did not answer")
			expect(t, results, CheckProviderTLS, Skip, "the provider did not answer")
		})
	}
}

func TestCertificatesAreToldOf(t *testing.T) {
	server := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(server.Close)
	until := server.Certificate().NotAfter
	transport := server.Client().Transport.(*http.Transport)
	for name, test := range map[string]struct {
		now    time.Time
		issuer string
		check  string
		status Status
		says   string
	}{
		"good":         {until.Add(-time.Hour * 24 * 15), server.URL, CheckProviderTLS, OK, "issued by Acme Co"},
		"ends soon":    {until.Add(-time.Hour * 24 * 13), server.URL, CheckProviderTLS, Warn, "why it was not renewed"},
		"expired":      {until.Add(time.Hour), server.URL, CheckDiscovery, Fail, "expired or not valid yet"},
		"another name": {until.Add(-time.Hour * 24 * 15), strings.Replace(server.URL, "127.0.0.1", "localhost", 1), CheckDiscovery, Fail, "for another name"},
	} {
		t.Run(name, func(t *testing.T) {
			now := func() time.Time { return test.now }
			asking := transport.Clone()
			asking.TLSClientConfig.Time = now
			results := examine(t, Config{Setup: &Setup{Issuer: test.issuer}, Now: now, Transport: asking}, CheckDiscovery, CheckProviderTLS)
			expect(t, results, test.check, test.status, test.says)
		})
	}
}

func TestTheClockIsComparedWithTheProviders(t *testing.T) {
	theirs := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	server := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Date", theirs.Format(http.TimeFormat))
		_, _ = fmt.Fprint(w, "{}")
	})
	for ahead, want := range map[time.Duration]struct {
		status Status
		says   string
	}{
		0:                 {OK, "within a few seconds"},
		4 * time.Second:   {OK, "within a few seconds"},
		-4 * time.Second:  {OK, "within a few seconds"},
		7 * time.Second:   {Warn, "ahead of the provider"},
		-7 * time.Second:  {Warn, "behind the provider"},
		62 * time.Second:  {Fail, "timedatectl set-ntp true"},
		-93 * time.Second: {Fail, "1m34s behind the provider"},
	} {
		now := func() time.Time { return theirs.Add(ahead) }
		results := examine(t, Config{Setup: &Setup{Issuer: server.URL}, Now: now}, CheckClock)
		expect(t, results, CheckClock, want.status, want.says)
	}
}

func TestASlowAnswerIsNoWrongClock(t *testing.T) {
	begun := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	server := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Date", begun.Add(20*time.Second).Format(http.TimeFormat))
	})
	asked := 0
	now := func() time.Time { // the question takes 40 s, and was answered in the middle of them
		asked++
		return begun.Add(time.Duration(min(asked-1, 1)) * 40 * time.Second)
	}
	results := examine(t, Config{Setup: &Setup{Issuer: server.URL}, Now: now}, CheckClock)
	expect(t, results, CheckClock, OK)
}

func TestAConfiguredClientIsAskedAbout(t *testing.T) {
	site := Site{Origin: "https://app.example.com", Endpoints: "/auth"}
	for name, test := range map[string]struct {
		id, registered string
		fault          []simulator.Fault
		status         Status
		says           string
	}{
		"known":          {"client-1", "https://app.example.com/auth/callback", nil, OK, "knows client client-1"},
		"another URI":    {"client-1", "https://app.example.com/callback", nil, Fail, "register https://app.example.com/auth/callback for it"},
		"another client": {"client-2", "https://app.example.com/auth/callback", nil, Fail, "refuses client client-2"},
		"no word": {"client-1", "https://app.example.com/auth/callback", []simulator.Fault{{
			Kind: simulator.Fault503, Endpoint: simulator.EndpointAuthorize,
		}}, Warn, "does not say"},
	} {
		t.Run(name, func(t *testing.T) {
			osc, issuer := newProvider(t)
			osc.AddClient(simulator.Client{ID: "client-1", Secret: "secret", RedirectURIs: []string{test.registered}})
			osc.SetKnobs(func(k *simulator.Knobs) { k.Faults = test.fault })
			setup := &Setup{Issuer: issuer, Client: tokens.Client{ID: test.id}, Sites: []Site{site}}
			results := examine(t, Config{Setup: setup}, CheckRedirectURI, CheckClient)
			expect(t, results, CheckRedirectURI, OK, "https://app.example.com/auth/callback (exactly this has to be registered for client "+test.id)
			expect(t, results, CheckClient, test.status, test.says)
		})
	}
}

func TestAClientOfTheGatewaysOwnIsNotAskedForOrMade(t *testing.T) {
	osc, issuer := newProvider(t)
	setup := &Setup{Issuer: issuer, Sites: []Site{{Origin: "https://app.example.com", Endpoints: "/auth"}}}
	results := examine(t, Config{Setup: setup}, CheckRedirectURI, CheckClient, CheckDiscovery)
	expect(t, results, CheckRedirectURI, OK, "https://app.example.com/auth/callback (registered by the gateway itself)")
	for endpoint, calls := range osc.Counters().Endpoints {
		if endpoint != simulator.EndpointDiscovery && calls > 0 {
			t.Errorf("%d calls of %s", calls, endpoint)
		}
	}
}
