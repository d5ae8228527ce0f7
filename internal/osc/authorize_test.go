package osc

import (
	"net/url"
	"strings"
	"testing"
)

func TestTheAuthorizeURLHasEachParameterOnce(t *testing.T) {
	a := Authorization{ClientID: "cl ient&1", RedirectURI: redirectURI + "?x=1&y", State: "st&te", Challenge: "ch", ChallengeMethod: "S256"}
	for _, own := range []string{"", "?", "?audience=osc&x=%26"} {
		r := newRig(t)
		r.server.on(wellKnown, r.server.document(`"authorization_endpoint":"`+r.server.URL+"/a"+own+`"`))
		u, err := url.Parse(r.AuthorizeURL(t.Context(), a))
		if err != nil {
			t.Fatal(err)
		}
		want := url.Values{
			"response_type": {"code"}, "client_id": {a.ClientID}, "redirect_uri": {a.RedirectURI}, "state": {a.State},
			"code_challenge": {"ch"}, "code_challenge_method": {"S256"},
		}
		if len(own) > 1 {
			want["audience"], want["x"] = []string{"osc"}, []string{"&"}
		}
		if u.Path != "/a" || u.Query().Encode() != want.Encode() || u.Fragment != "" {
			t.Errorf("%q gives %s", own, u)
		}
	}
}

func TestACallbackMustNameThisIssuerOrNone(t *testing.T) {
	for name, test := range map[string]struct {
		promised string
		values   []string // ISSUER stands for the server's URL
		want     bool
	}{
		"none, not promised":     {"false", nil, true},
		"none, promised":         {"true", nil, false},
		"none, oddly promised":   {`"true"`, nil, true},
		"ours":                   {"false", []string{"ISSUER"}, true},
		"ours, promised":         {"true", []string{"ISSUER"}, true},
		"another":                {"false", []string{"https://evil.example"}, false},
		"ours with a slash":      {"true", []string{"ISSUER/"}, false},
		"an empty one":           {"false", []string{""}, false},
		"ours twice":             {"true", []string{"ISSUER", "ISSUER"}, false},
		"ours and another":       {"true", []string{"ISSUER", "https://evil.example"}, false},
		"another, not announced": {"null", []string{"https://evil.example"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.server.on(wellKnown, r.server.document(`"authorization_response_iss_parameter_supported":`+test.promised))
			values := make([]string, len(test.values))
			for i, v := range test.values {
				values[i] = strings.ReplaceAll(v, "ISSUER", r.server.URL)
			}
			if got := r.CheckIssuer(t.Context(), values); got != test.want {
				t.Errorf("CheckIssuer is %t, want %t", got, test.want)
			}
		})
	}
}
