package integration

import (
	"net/http"
	"strings"
	"testing"
)

// Sites with a part for everybody. A path that any app could read as another
// one gets the strictest policy of all its readings, or is refused.
const (
	attackPublicPart = "\t\tpublic /assets/*\n"                         // the rest is protected
	attackAppPart    = "\t\trequired /studio /studio/*\n\t\tpublic *\n" // the rest is public
	attackOnlyBelow  = "\t\trequired /studio/*\n\t\tpublic *\n"         // and /studio itself is not named
)

// attackFate is what becomes of a request.
type attackFate int

const (
	attackOdd    attackFate = iota // 400, whoever asks
	attackAsked                    // people are sent to sign in, programs told to
	attackEither                   // one of these, or another refusal
	attackPassed                   // reaches the app, its target as it was
)

// attackPath is a target, or something else of a request, that may pass for
// another.
type attackPath struct {
	name     string
	policies string
	fate     attackFate
	requests []string // without what persons, or programs, add
	uri      string   // the app gets, where it gets any
	signedIn bool
}

// attackGets are GETs of targets.
func attackGets(targets ...string) []string {
	var requests []string
	for _, target := range targets {
		requests = append(requests, attackHead("GET", target))
	}
	return requests
}

// attackWith are GETs of a protected page, with one more line each.
func attackWith(lines ...string) []string {
	var requests []string
	for _, line := range lines {
		requests = append(requests, attackHead("GET", "/studio/x")+line+"\r\n")
	}
	return requests
}

// attackMethods are requests for a protected page.
func attackMethods(methods ...string) []string {
	var requests []string
	for _, method := range methods {
		requests = append(requests, attackHead(method, "/studio/x"))
	}
	return requests
}

var attackPaths = []attackPath{
	{name: "PA-001 dot segments", policies: attackPublicPart, fate: attackOdd, requests: attackGets("/assets/../studio/x")},
	{name: "PA-002 encoded dots", policies: attackPublicPart, fate: attackOdd, requests: attackGets("/assets/%2e%2e/studio/x", "/assets/.%2E/studio/x")},
	{name: "PA-003 an encoded slash after dots", policies: attackPublicPart, fate: attackOdd, requests: attackGets("/assets/..%2fstudio/x")},
	{name: "PA-004 a slash encoded twice after dots", policies: attackPublicPart, fate: attackOdd, requests: attackGets("/assets/..%252fstudio/x")},
	{name: "PA-005 dots with parameters", policies: attackPublicPart, fate: attackOdd, requests: attackGets("/assets/..;/studio/x", "/assets/..;a=b/studio/x")},
	{name: "PA-006 a backslash after dots", policies: attackPublicPart, fate: attackOdd, requests: attackGets(`/assets/..\studio/x`)},
	{name: "PA-007 encoded backslashes", policies: attackPublicPart, fate: attackOdd, requests: attackGets("/assets/..%5c..%5cstudio", "/assets%5c..%5cstudio")},
	{name: "PA-008 two slashes in front", policies: attackAppPart, fate: attackAsked, requests: attackGets("//studio/x", "///studio/x")},
	{name: "PA-009 two slashes around dots", policies: attackAppPart, fate: attackOdd, requests: attackGets("/x//..//studio/y")},
	{name: "PA-010 capitals", policies: attackAppPart, fate: attackAsked, requests: attackGets("/STUDIO/x", "/Studio")},
	{name: "PA-011 an encoded letter", policies: attackAppPart, fate: attackAsked, requests: attackGets("/%73tudio/x", "/%2573tudio/x")},
	{name: "PA-012 an encoded slash inside", policies: attackAppPart, fate: attackAsked, requests: attackGets("/studio%2fx", "/studio%252fx")},
	{name: "PA-013 an empty segment with parameters", policies: attackAppPart, fate: attackAsked, requests: attackGets("/;/studio/x", "/%3b/studio/x")},
	{name: "PA-014 parameters of the protected segment", policies: attackOnlyBelow, fate: attackAsked, requests: attackGets("/studio;/x", "/studio;v=1/x")},
	{name: "PA-015 the directory itself", policies: attackOnlyBelow, fate: attackAsked, requests: attackGets("/studio", "/studio/")},
	{name: "PA-016 a public path in the query", policies: attackPublicPart, fate: attackAsked, requests: attackGets("/studio/x?y=/assets/", "/?/assets/a.js")},
	{name: "PA-017 a public path in a fragment", policies: attackPublicPart, fate: attackOdd, requests: attackGets("/studio/x#/assets/", "/assets/a.js#")},
	{name: "PA-018 a public path in an encoded fragment", policies: attackPublicPart, fate: attackAsked, requests: attackGets("/studio/x%23/assets/")},
	{name: "PA-019 a target of an asterisk", policies: attackPublicPart, fate: attackOdd, requests: attackGets("*")},
	{name: "PA-020 a whole URL without a path", policies: attackPublicPart, fate: attackEither, requests: attackGets("http://{host}", "http://{host}?x")},
	{name: "PA-022 CONNECT", policies: attackPublicPart, fate: attackEither, requests: []string{
		"CONNECT {host} HTTP/1.1\r\nHost: {host}\r\n", "CONNECT /assets/a HTTP/1.1\r\nHost: {host}\r\n",
	}},
	{name: "PA-023 overlong dots", policies: attackPublicPart, fate: attackOdd, requests: attackGets("/assets/%c0%ae%c0%ae/studio/x")},
	{name: "PA-024 full-width dots", policies: attackPublicPart, fate: attackOdd, requests: attackGets("/assets/%ef%bc%8e%ef%bc%8e/studio/x")},
	{name: "PA-025 a zero byte before dots", policies: attackPublicPart, fate: attackOdd, requests: attackGets("/assets/%00/../studio/x")},
	{name: "PA-026 a zero byte that ends the path", policies: attackAppPart, fate: attackOdd, requests: attackGets("/studio%00.css")},
	{name: "PA-027 a dot at the end of a segment", policies: attackAppPart, fate: attackAsked, requests: attackGets("/studio./x")},
	{name: "PA-028 a space at the end of a segment", policies: attackAppPart, fate: attackAsked, requests: attackGets("/studio%20/x")},
	{name: "PA-029 an escape that is none", policies: attackPublicPart, fate: attackOdd, requests: attackGets("/studio/x%zz", "/assets/%")},
	{name: "PA-030 dots below the callback", policies: attackPublicPart, fate: attackOdd, requests: attackGets("/auth/callback/..%2f..%2fstudio/x")},
	{name: "PA-031 the callback at the end of a path", policies: attackPublicPart, fate: attackAsked, requests: attackGets("/studio/x/auth/callback?code=a&state=b")},
	{name: "PA-032 a path that begins like the callback", policies: attackPublicPart, fate: attackAsked,
		requests: attackGets("/auth/callbackfoo?code=a&state=b", "/auth/callback/?code=a&state=b")},
	{name: "PA-033 another path in a header", policies: attackPublicPart, fate: attackAsked, requests: attackWith(
		"X-Forwarded-Uri: /assets/", "X-Original-URL: /assets/", "X-Rewrite-URL: /assets/", "X-Forwarded-Prefix: /assets",
		"X-Forwarded-Path: /assets/", "X-Original-URI: /assets/", "Forwarded: path=/assets",
	)},
	{name: "PA-034 a client that claims to be let in", policies: attackPublicPart, fate: attackAsked, requests: attackWith(
		"User-Agent: GoogleHC/1.0", "User-Agent: kube-probe/1.30", "User-Agent: ELB-HealthChecker/2.0", "X-Health-Check: 1",
		"X-Forwarded-For: 127.0.0.1", "X-Real-IP: 127.0.0.1", "Client-IP: 127.0.0.1", "True-Client-IP: 127.0.0.1",
	)},
	{name: "PA-035 every method", policies: attackPublicPart, fate: attackEither, requests: attackMethods(
		"HEAD", "OPTIONS", "TRACE", "PROPFIND", "FOO", "get", "POST", "PATCH",
	)},
	{name: "PA-037 an encoded slash of a public file's", policies: attackPublicPart, fate: attackPassed,
		requests: attackGets("/assets/a%2Fb/c"), uri: "/assets/a%2Fb/c"},
	{name: "PA-038 an encoded slash, and dots in the query", policies: attackPublicPart, fate: attackPassed, signedIn: true,
		requests: attackGets("/studio/db/_design%2Fviews?x=%2F..%2F"), uri: "/studio/db/_design%2Fviews?x=%2F..%2F"},
	{name: "PA-039 dots that climb nowhere", policies: attackPublicPart, fate: attackPassed, signedIn: true,
		requests: attackGets("/studio/v1..2/...hidden/a..b/.well-known"), uri: "/studio/v1..2/...hidden/a..b/.well-known"},
	{name: "PA-040 thousands of dot segments", policies: attackPublicPart, fate: attackEither, requests: []string{
		attackHead("GET", "/studio/"+strings.Repeat("../", 6_000)+"x"), attackHead("GET", "/assets/"+strings.Repeat("../", 4_000)+"x"),
	}},
	{name: "PA-044 dots encoded twice", policies: attackPublicPart, fate: attackOdd, requests: attackGets("/assets/%252e%252e/studio/x")},
	{name: "PA-046 every slash encoded", policies: attackPublicPart, fate: attackOdd, requests: attackGets("/assets%2f..%2fstudio%2fx")},
}

func TestAttacksOnPathsReachNoLaxerPolicy(t *testing.T) {
	t.Parallel()
	rigs := map[string]*attackRig{}
	for _, policies := range []string{attackPublicPart, attackAppPart, attackOnlyBelow} {
		rigs[policies] = newAttackRig(t, attackSetup{policies: policies})
	}
	rigs[attackPublicPart].signIn("/")
	for _, row := range attackPaths {
		t.Run(row.name, func(t *testing.T) {
			a := rigs[row.policies]
			for _, request := range row.requests {
				if row.signedIn {
					request += attackCookie
				}
				for _, who := range []string{attackPerson, "Accept: */*\r\n"} {
					got := a.send(t, request+who+attackEnd)
					a.checkPath(t, row, request, who == attackPerson, got)
				}
			}
			a.alive(t)
		})
	}
	for _, a := range rigs {
		if got := a.osc.Counters(); got.CodeExchanges != got.CodeExchangesOK {
			t.Errorf("%d codes were exchanged that were none", got.CodeExchanges-got.CodeExchangesOK)
		}
	}
}

// checkPath checks the fate of one request.
func (a *attackRig) checkPath(t *testing.T, row attackPath, request string, person bool, got answer) {
	t.Helper()
	request = strings.ReplaceAll(request, "\r\n", "|")
	requests := a.upstream.take()
	tokens := a.forwarded(t, requests)
	if row.fate == attackPassed {
		if got.Status != http.StatusOK || len(requests) != 1 || (tokens == 1) != row.signedIn || !strings.HasPrefix(requests[0], "GET "+row.uri+" ") {
			t.Errorf("%s: %v, %d tokens, the app got %q", request, got, tokens, requests)
		}
		return
	}
	if len(requests) != 0 {
		t.Errorf("%s: the app got %q", request, requests)
	}
	if got.Header.Get("Server") != "" { // else Go's server has refused the bytes
		a.answered(t, got)
	}
	asked := got.Status == http.StatusUnauthorized
	if person {
		asked = a.toProvider(got)
	}
	var right bool
	switch row.fate {
	case attackOdd:
		right = got.Status == http.StatusBadRequest
	case attackAsked:
		right = asked
	case attackEither:
		right = asked || got.Status/100 == 4
	}
	if !right {
		t.Errorf("%s: %v", request, got)
	}
}
