package integration

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/Eyevinn/osc-gateway/internal/simulator"
)

// marker is in every hostile answer, and must be in nothing the gateway says.
const marker = "c4naryvalue0fahostileprovider"

// token is a JSON token response with one member as given.
func tokenWith(member, value string) string {
	members := map[string]string{
		"access_token": `"` + marker + `"`, "refresh_token": `"` + marker + `-r"`, "token_type": `"Bearer"`, "expires_in": `3600`,
	}
	members[member] = value
	var parts []string
	for _, name := range []string{"access_token", "refresh_token", "token_type", "expires_in"} {
		if members[name] != "" {
			parts = append(parts, `"`+name+`":`+members[name])
		}
	}
	return "{" + strings.Join(parts, ",") + "}"
}

func reply(body string) simulator.Fault {
	return simulator.Fault{
		Kind: simulator.FaultReply, Status: http.StatusOK, Body: body, Headers: map[string]string{"Content-Type": "application/json"},
	}
}

// hostile are token responses that must end in nothing, and the reason given;
// "" where it may be either.
var hostile = map[string]struct {
	fault  simulator.Fault
	reason string
}{
	"no JSON":                     {reply(marker), "provider_error"},
	"nothing":                     {reply(""), "provider_error"},
	"an array":                    {reply("[" + tokenWith("", "") + "]"), "provider_error"},
	"a string":                    {reply(`"` + marker + `"`), "provider_error"},
	"two objects":                 {reply(tokenWith("", "") + tokenWith("", "")), "provider_error"},
	"a page":                      {simulator.Fault{Kind: simulator.FaultHTML}, "provider_error"},
	"half of it":                  {simulator.Fault{Kind: simulator.FaultTruncatedJSON}, "provider_error"},
	"another token type":          {simulator.Fault{Kind: simulator.FaultWrongTokenType}, "provider_error"},
	"no token type":               {reply(tokenWith("token_type", "")), "provider_error"},
	"no access token":             {reply(tokenWith("access_token", "")), "provider_error"},
	"an empty access token":       {reply(tokenWith("access_token", `""`)), "provider_error"},
	"an access token twice":       {reply(strings.Replace(tokenWith("", ""), "{", `{"access_token":"other",`, 1)), "provider_error"},
	"a number as token":           {reply(tokenWith("access_token", `12345678901234567890`)), "provider_error"},
	"a null as token":             {reply(tokenWith("access_token", `null`)), "provider_error"},
	"a line break in the token":   {reply(tokenWith("access_token", `"`+marker+`\r\nX-Admin: yes"`)), "provider_error"},
	"a NUL in the token":          {reply(tokenWith("access_token", `"`+marker+`\u0000"`)), "provider_error"},
	"a space in the token":        {reply(tokenWith("access_token", `"`+marker+` x"`)), "provider_error"},
	"a comma in the token":        {reply(tokenWith("access_token", `"`+marker+`,x"`)), "provider_error"},
	"letters that are not ASCII":  {reply(tokenWith("access_token", `"`+marker+`ø"`)), "provider_error"},
	"a token of 64 kB":            {reply(tokenWith("access_token", `"`+strings.Repeat(marker, 2400)+`"`)), "provider_error"},
	"a list as refresh token":     {reply(tokenWith("refresh_token", `["`+marker+`"]`)), "provider_error"},
	"a line break in the refresh": {reply(tokenWith("refresh_token", `"`+marker+`\n"`)), "provider_error"},
	"an object as lifetime":       {reply(tokenWith("expires_in", `{}`)), "provider_error"},
	"a word as lifetime":          {reply(tokenWith("expires_in", `"soon"`)), "provider_error"},
	"an error with status 200":    {reply(`{"error":"invalid_grant","error_description":"` + marker + `"}`), "provider_error"},
	"two megabytes":               {simulator.Fault{Kind: simulator.FaultHugeBody, SizeBytes: 2 << 20}, "provider_error"},
	"a redirect":                  {simulator.Fault{Kind: simulator.FaultRedirect307}, ""},
	"an unknown error":            {reply400(`{"error":"` + marker + `"}`), ""},
	"a dropped connection":        {simulator.Fault{Kind: simulator.FaultCloseBefore}, "provider_unavailable"},
	"half, then dropped":          {simulator.Fault{Kind: simulator.FaultCloseMidBody}, "provider_unavailable"},
	"500":                         {simulator.Fault{Kind: simulator.Fault500}, "provider_unavailable"},
	"a gateway's page":            {simulator.Fault{Kind: simulator.Fault502HTML}, "provider_unavailable"},
	"503":                         {simulator.Fault{Kind: simulator.Fault503}, "provider_unavailable"},
	"429":                         {simulator.Fault{Kind: simulator.Fault429, RetryAfterSeconds: 1}, "provider_unavailable"},
}

func reply400(body string) simulator.Fault {
	fault := reply(body)
	fault.Status = http.StatusBadRequest
	return fault
}

func TestATokenResponseThatIsNotExactlyRightStoresAndEchoesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, setup{})
	w.quickly()
	w.canaries.note(planted, marker)
	for name, c := range hostile {
		t.Run(name, func(t *testing.T) {
			w.osc.SetKnobs(func(k *simulator.Knobs) { k.Faults = []simulator.Fault{c.fault} })
			checkRefusedExchange(t, w, c.reason)
		})
	}
	if counted := w.osc.Counters(); counted.CanaryHits != 0 || w.app.calls() != 0 {
		t.Errorf("a redirect was followed %d times, the app was called %d times", counted.CanaryHits, w.app.calls())
	}
}

// checkRefusedExchange signs in and expects to end on a page with the reason.
func checkRefusedExchange(t *testing.T, w *world, reason string) {
	t.Helper()
	v := newVisitor(t, w.gateway.URL)
	callback := v.toCallback(v.open("/studio"))
	before := w.osc.Counters().CodeExchanges
	got := v.open(callback)
	if got.Status != http.StatusBadGateway && got.Status != http.StatusServiceUnavailable || !strings.Contains(got.Body, "<code>provider_") {
		t.Fatal(got)
	}
	if !strings.Contains(got.Body, "<code>"+reason) {
		t.Errorf("the reason is not %s: %v", reason, got)
	}
	if made := w.osc.Counters().CodeExchanges - before; made != 1 {
		t.Errorf("%d exchanges", made)
	}
	if v.session() != "" {
		t.Error("a session cookie was set")
	}
	said := v.fetch(http.MethodGet, "/auth/session")
	var session struct {
		SignedIn bool `json:"signed_in"`
	}
	if err := json.Unmarshal([]byte(said.Body), &session); err != nil || session.SignedIn {
		t.Error(said)
	}
}

func TestAProviderThatHangsIsUnavailableBeforeThePersonGivesUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t, setup{})
	w.quickly()
	w.osc.SetKnobs(func(k *simulator.Knobs) { k.Faults = []simulator.Fault{{Kind: simulator.FaultHang}} })
	checkRefusedExchange(t, w, "provider_unavailable")
}

func TestAnAbsurdLifetimeNeverMakesASessionThatDoesNotWork(t *testing.T) {
	t.Parallel()
	w := newWorld(t, setup{})
	w.quickly()
	for _, lifetime := range []string{"-1", "0", "1e999", "9223372036854775808", "0.5"} {
		w.osc.SetKnobs(func(k *simulator.Knobs) {
			k.Token.ExpiresIn, k.Token.ExpiresInRaw, k.PAT.Opaque = "raw", lifetime, true
		})
		v := newVisitor(t, w.gateway.URL)
		got := v.open(v.toCallback(v.open("/studio")))
		if v.session() == "" && got.Status != http.StatusBadGateway {
			t.Errorf("%s: %v", lifetime, got)
		}
		w.osc.SetKnobs(func(k *simulator.Knobs) { k.Token.ExpiresIn = "number" })
		if v.session() != "" { // the first refresh may still have got such a lifetime
			eventually(t, "a session of "+lifetime+" works", func() bool { return v.open("/studio").Status == http.StatusOK })
		}
	}
}
