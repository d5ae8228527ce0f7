package doctor

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// upstreams asks every app behind a site for its start page, as nobody.
func (d *Doctor) upstreams(ctx context.Context, site Site) []Result {
	if len(site.Upstreams) == 0 {
		return skipped("no reverse proxy is behind the gateway of this site", "", CheckUpstream)
	}
	return inParallel(site.Upstreams, func(up Upstream) []Result { return []Result{d.upstream(ctx, site, up)} })
}

func (d *Doctor) upstream(ctx context.Context, site Site, up Upstream) Result {
	if up.Transport == nil {
		return skipped(up.Name+" "+up.Why, "", CheckUpstream)[0]
	}
	host := hostOf(site.Origin)
	fields := []string{"Accept", "text/html"}
	if site.Origin != "" {
		scheme, _, _ := strings.Cut(site.Origin, "://")
		fields = append(fields, "Host", host, "X-Forwarded-Host", host, "X-Forwarded-Proto", scheme)
	}
	// The transport sets the scheme, and dials the upstream in place of the host.
	found, err := d.ask(ctx, newClient(up.Transport), http.MethodGet, "http://upstream.invalid/", fields...)
	if err != nil {
		return d.upstreamAway(up, err)
	}
	result := Result{
		Check: CheckUpstream, Status: OK,
		Message: fmt.Sprintf("%s answers with status %d in %d ms", up.Name, found.status, found.took().Milliseconds()),
	}.took(found.took())
	if where := d.signsInItself(site, found); where != "" {
		result.Status, result.Message = Fail, up.Name+" redirects to "+where+", so visitors go round in circles"
		result.Fix = "take the app's own sign-in out: the gateway has done it, and tells who it is with every request"
		return result
	}
	if leadsBack(site, found) {
		result.Status, result.Message = Fail, up.Name+" redirects its start page to the same page, so browsers go round in circles"
		result.Fix = "have the app believe X-Forwarded-Proto and X-Forwarded-Host, and redirect to https no more by itself"
		return result
	}
	if found.status >= http.StatusInternalServerError {
		result.Status, result.Fix = Warn, "see the app's log"
	}
	return result
}

func (d *Doctor) upstreamAway(up Upstream, err error) Result {
	why := d.diagnose(err, up.Name)
	if why.refused {
		why.fix = "start the app, or correct its address"
		if d.Setup.StartsApp {
			return skipped("the gateway starts the app itself, and "+why.message+" yet", "", CheckUpstream)[0]
		}
	}
	return Result{Check: CheckUpstream, Status: Fail, Message: why.message, Fix: why.fix}
}

// signsInItself names the sign-in that an app sends its visitors to.
func (d *Doctor) signsInItself(site Site, found answer) string {
	if found.status < 300 || found.status >= 400 {
		return ""
	}
	target, err := url.Parse(found.header.Get("Location"))
	if err != nil {
		return ""
	}
	switch {
	case target.Host != "" && originOf(target.String()) == originOf(d.Setup.Issuer):
		return "OSC's own sign-in"
	case target.Path == site.Endpoints+"/signin":
		return "the gateway's sign-in"
	default:
		return ""
	}
}

// leadsBack tells whether an app redirects a page to itself.
func leadsBack(site Site, found answer) bool {
	if found.status < 300 || found.status >= 400 || site.Origin == "" {
		return false
	}
	where := found.header.Get("Location")
	return where == site.Origin || where == site.Origin+"/" || where == "/"
}
