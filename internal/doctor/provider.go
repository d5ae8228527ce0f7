package doctor

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/Eyevinn/osc-gateway/internal/osc"
)

// document is what an authorization server says of itself (RFC 8414 §2).
type document struct {
	Issuer        string   `json:"issuer"`
	Authorization string   `json:"authorization_endpoint"`
	Token         string   `json:"token_endpoint"`
	Registration  string   `json:"registration_endpoint"`
	Grants        []string `json:"grant_types_supported"`
	Responses     []string `json:"response_types_supported"`
	Challenges    []string `json:"code_challenge_methods_supported"`
}

// issuerFix is for whatever is no authorization server.
const issuerFix = "check issuer and environment: OSC's are https://app.osaas.io (prod), https://app.stage.osaas.io and https://app.dev.osaas.io"

// provider examines the authorization server: what it says of itself, what time
// it has there, and its certificate.
func (d *Doctor) provider(ctx context.Context) []Result {
	at := osc.DiscoveryURL(d.Setup.Issuer)
	found, err := d.get(ctx, at)
	if err != nil {
		why := d.diagnose(err, hostOf(at))
		if why.refused {
			why.fix = issuerFix + "; check the way out of this machine"
		}
		first := Result{Check: CheckDiscovery, Status: Fail, Message: why.message, Fix: why.fix}
		return append([]Result{first}, skipped("the provider did not answer", "", CheckClock, CheckProviderTLS)...)
	}
	return []Result{d.discovery(found).took(found.took()), d.clock(found), d.certificate(CheckProviderTLS, found.tls)}
}

// discovery judges the answer of the well-known address.
func (d *Doctor) discovery(found answer) Result {
	fail := func(message, fix string) Result {
		return Result{Check: CheckDiscovery, Status: Fail, Message: d.Setup.Issuer + " " + message, Fix: fix}
	}
	switch {
	case found.status >= 300 && found.status < 400:
		return fail(fmt.Sprintf("redirects (status %d) to %s", found.status, originOf(found.header.Get("Location"))),
			"name the issuer itself, not an address that leads to it")
	case found.status == http.StatusNotFound:
		return fail("answers, but has no "+wellKnownPath, issuerFix)
	case found.status >= http.StatusInternalServerError:
		return fail(fmt.Sprintf("answers with status %d", found.status), "wait for it to recover; sessions are kept meanwhile")
	case found.status != http.StatusOK:
		return fail(fmt.Sprintf("answers with status %d", found.status), issuerFix)
	case found.isHTML():
		return fail("answers with a web page in place of its metadata", issuerFix+"; a captive portal or proxy answers like that too")
	}
	var said document
	if err := json.Unmarshal(found.body, &said); err != nil {
		return fail("answers with something that is no metadata", issuerFix)
	}
	if wrong := d.wrongFields(said); len(wrong) > 0 {
		return fail("describes itself in a way that can't be used: "+strings.Join(wrong, "; "), issuerFix)
	}
	result := Result{
		Check: CheckDiscovery, Status: OK,
		Message: fmt.Sprintf("%s answered in %d ms", d.Setup.Issuer, found.took().Milliseconds()),
	}
	if missing := missingFields(said); len(missing) > 0 {
		result.Status, result.Message = Warn, result.Message+", without "+strings.Join(missing, ", ")
		result.Fix = "sign in once to see that it works all the same; " + issuerFix
	}
	return result
}

const wellKnownPath = "/.well-known/oauth-authorization-server"

// wrongFields are what the gateway could not work with.
func (d *Doctor) wrongFields(said document) []string {
	var wrong []string
	if said.Issuer != d.Setup.Issuer {
		wrong = append(wrong, fmt.Sprintf("its issuer is %q", said.Issuer))
	}
	for _, endpoint := range []struct{ name, value string }{
		{"authorization_endpoint", said.Authorization}, {"token_endpoint", said.Token}, {"registration_endpoint", said.Registration},
	} {
		if endpoint.value != "" && osc.CheckEndpoint(endpoint.value) != nil {
			wrong = append(wrong, endpoint.name+" is not an https URL")
		}
	}
	for _, list := range []struct {
		name, needed string
		values       []string
	}{
		{"grant_types_supported", "authorization_code", said.Grants},
		{"response_types_supported", "code", said.Responses},
		{"code_challenge_methods_supported", "S256", said.Challenges},
	} {
		if len(list.values) > 0 && !slices.Contains(list.values, list.needed) {
			wrong = append(wrong, list.name+" lacks "+list.needed)
		}
	}
	return wrong
}

// missingFields are what the gateway assumes where it is not said.
func missingFields(said document) []string {
	var missing []string
	for _, field := range []struct {
		name  string
		there bool
	}{
		{"authorization_endpoint", said.Authorization != ""}, {"token_endpoint", said.Token != ""},
		{"registration_endpoint", said.Registration != ""}, {"grant_types_supported", len(said.Grants) > 0},
		{"response_types_supported", len(said.Responses) > 0}, {"code_challenge_methods_supported", len(said.Challenges) > 0},
	} {
		if !field.there {
			missing = append(missing, field.name)
		}
	}
	return missing
}

// A Date is exact to the second, and an answer may be held up on its way.
const (
	skewToKnow = 5 * time.Second
	skewToFail = time.Minute
)

// clock compares this machine's with the provider's.
func (d *Doctor) clock(found answer) Result {
	theirs, err := http.ParseTime(found.header.Get("Date"))
	if err != nil {
		return skipped("the provider's answer has no date", "", CheckClock)[0]
	}
	const half = time.Second / 2 // dates are cut off
	behind := theirs.Add(half).Sub(found.middle())
	return clockResult(CheckClock, "the provider", behind)
}

func clockResult(check, whose string, behind time.Duration) Result {
	off, direction := behind.Abs(), "behind"
	if behind < 0 {
		direction = "ahead of"
	}
	result := Result{Check: check, Status: OK, Message: "within a few seconds of " + whose + "'s"}
	if off < skewToKnow {
		return result
	}
	result.Status = Warn
	result.Message = fmt.Sprintf("%v %s %s", off.Round(time.Second), direction, whose)
	result.Fix = "turn on time synchronisation (timedatectl set-ntp true)"
	if off >= skewToFail {
		result.Status = Fail
		result.Message += ": tokens are taken for good or for expired when they are not"
	}
	return result
}

func hostOf(raw string) string {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" {
		return "the address"
	}
	return u.Host
}

// originOf is as much of an address as may be shown: the rest may hold a code.
func originOf(raw string) string {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" {
		return "another path"
	}
	return u.Scheme + "://" + u.Host
}
