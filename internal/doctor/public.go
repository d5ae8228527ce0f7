package doctor

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// public examines the way of a browser's requests to a site.
func (d *Doctor) public(ctx context.Context, site Site, running bool) []Result {
	rest := []string{CheckPublicTLS, CheckHTTPS, CheckSignIn, CheckCookies, CheckCaching}
	if site.Origin == "" && site.Problem == "" {
		return skipped("the site answers for many names ("+site.Host+"), and each is a site of its own", "", append([]string{CheckPublicURL}, rest...)...)
	}
	if site.Origin == "" {
		first := Result{Check: CheckPublicURL, Status: Fail, Message: site.Problem, Fix: site.Fix}
		return append([]Result{first}, skipped("where browsers reach the site is not known", "", rest...)...)
	}
	found, err := d.get(ctx, site.Origin+site.Endpoints+"/health")
	var first Result
	switch {
	case err != nil:
		first = d.unreachable(site, running, err)
	case !isGateway(found):
		first = strangerAt(site, running, found)
	default:
		first = answering(site, found)
	}
	if err != nil || !isGateway(found) {
		results := append([]Result{first}, d.otherWords(site)...)
		return append(results, skipped("the gateway did not answer at "+site.Origin, "", rest...)...)
	}
	results := append([]Result{first}, d.otherWords(site)...)
	results = append(results, d.certificate(CheckPublicTLS, found.tls), d.https(ctx, site))
	return append(results, d.signIn(ctx, site)...)
}

// answering is what to say of a gateway that was found where it should be.
func answering(site Site, found answer) Result {
	result := Result{
		Check: CheckPublicURL, Status: OK,
		Message: fmt.Sprintf("the gateway answers at %s in %d ms", site.Origin, found.took().Milliseconds()),
	}.took(found.took())
	if said := readHealth(found); said.Status != "ok" {
		result.Status, result.Message = Fail, "the gateway answers at "+site.Origin+", but can't keep sessions: "+strings.TrimSuffix(said.Detail, ".")
		result.Fix = "see its log, and the check of the store here"
	}
	return result
}

// unreachable is for an address where nothing answers. Where the gateway does
// not run, that alone explains it.
func (d *Doctor) unreachable(site Site, running bool, err error) Result {
	why := d.diagnose(err, hostOf(site.Origin))
	if why.refused && !running {
		return skipped("the gateway is not running here, and "+why.message, "start it, and run doctor again beside it", CheckPublicURL)[0]
	}
	if why.refused {
		why.fix = "start what stands in front of the gateway, or correct public_url"
	}
	return Result{Check: CheckPublicURL, Status: Fail, Message: why.message, Fix: why.fix}
}

// strangerAt is for an address where something else answers.
func strangerAt(site Site, running bool, found answer) Result {
	result := Result{Check: CheckPublicURL, Status: Fail}
	listens := strings.Join(site.Listen, ", ")
	switch code := found.status; {
	case code >= 300 && code < 400:
		where := originOf(found.header.Get("Location"))
		result.Message = fmt.Sprintf("%s%s/health is redirected (status %d) to %s", site.Origin, site.Endpoints, code, where)
		result.Fix = fmt.Sprintf("if visitors are to use %s, make it the public_url; otherwise have what stands in front pass %s/* on to the gateway", where, site.Endpoints)
	case code >= http.StatusBadGateway && code <= http.StatusGatewayTimeout && !running:
		return skipped(fmt.Sprintf("the gateway is not running here, and what stands in front of it answers %d", code),
			"start it, and run doctor again beside it", CheckPublicURL)[0]
	case code >= http.StatusBadGateway && code <= http.StatusGatewayTimeout:
		result.Message = fmt.Sprintf("what stands in front of the gateway answers %d: it does not reach it", code)
		result.Fix = "have it pass requests to " + listens
	default:
		result.Message = fmt.Sprintf("%s%s/health answers with status %d, and it is not the gateway that does", site.Origin, site.Endpoints, code)
		result.Fix = fmt.Sprintf("have what stands in front pass every path, %s/* among them, to the gateway at %s", site.Endpoints, listens)
	}
	return result
}

// runnerHost is where OSC's runners answer inside the platform: apps are given
// that name as APP_URL, and visitors use another.
var runnerHost = regexp.MustCompile(`(?:^|[.-])[a-z0-9]+-runner\.(?:auto|svc)(?:\.[a-z0-9-]+)*\.osaas\.io$|\.svc\.cluster\.local$`)

// otherWords are what there is to say of a site's address itself.
func (d *Doctor) otherWords(site Site) []Result {
	u, err := url.Parse(site.Origin)
	if err != nil {
		return nil
	}
	isRunner := runnerHost.MatchString(u.Hostname()) || slices.Contains(d.Environ, "OSC_HOSTNAME="+u.Hostname())
	switch {
	case isRunner:
		return []Result{{
			Check: CheckPublicURL, Status: Fail, Message: u.Hostname() + " is the internal name of OSC's runner, which visitors do not use and OSC refuses as a redirect URI",
			Fix: "set public_url (OSC_GATEWAY_PUBLIC_URL) to the address My Apps shows, like https://<name>.apps.osaas.io, or to your own domain",
		}}
	case site.AnyHost:
		return []Result{{
			Check: CheckPublicURL, Status: Warn, Message: "without public_url people can sign in from this machine alone",
			Fix: "set public_url https://<the name in the address bar> for visitors from elsewhere",
		}}
	case site.Problem != "":
		return []Result{{Check: CheckPublicURL, Status: Warn, Message: site.Problem, Fix: site.Fix}}
	default:
		return nil
	}
}

// https tells what becomes of a visitor who comes without it.
func (d *Doctor) https(ctx context.Context, site Site) Result {
	u, err := url.Parse(site.Origin)
	if err != nil || u.Scheme != "https" {
		return skipped("the site is served over http, on this machine alone", "", CheckHTTPS)[0]
	}
	if u.Port() != "" {
		return skipped("the site has a port of its own, which nobody reaches without https", "", CheckHTTPS)[0]
	}
	found, err := d.get(ctx, "http://"+u.Host+"/")
	where := found.header.Get("Location")
	switch {
	case err != nil && d.diagnose(err, u.Host).refused:
		return Result{Check: CheckHTTPS, Status: OK, Message: "nothing listens for http"}
	case err != nil:
		return skipped(d.diagnose(err, "http://"+u.Host).message, "", CheckHTTPS)[0]
	case found.status >= 300 && found.status < 400 && strings.HasPrefix(where, site.Origin):
		return Result{Check: CheckHTTPS, Status: OK, Message: "http leads to https"}
	default:
		return Result{
			Check: CheckHTTPS, Status: Warn, Message: fmt.Sprintf("http://%s answers with status %d in place of a redirect to https", u.Host, found.status),
			Fix: "redirect it, or people who leave out https:// seem signed out",
		}
	}
}
