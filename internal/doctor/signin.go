package doctor

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// signIn begins a sign-in as a browser does, looks at what arrives, and then
// comes back as somebody who refused: the gateway says so if, and only if, the
// cookie it set came back to it. No session is made.
func (d *Doctor) signIn(ctx context.Context, site Site) []Result {
	if d.Setup.Client.ID == "" && !d.Register {
		because := "the gateway may have to register a client with the provider for it"
		const fix = "run doctor with --register to have this checked too"
		results := skipped(because, fix, CheckSignIn)
		return append(results, d.signOut(ctx, site)...)
	}
	found, err := d.get(ctx, site.Origin+site.Endpoints+"/signin")
	if err != nil {
		why := d.diagnose(err, hostOf(site.Origin))
		return append([]Result{{Check: CheckSignIn, Status: Fail, Message: why.message, Fix: why.fix}},
			skipped("no sign-in begins", "", CheckCookies, CheckCaching)...)
	}
	began, query := d.beginning(site, found)
	if query == nil {
		return append([]Result{began}, skipped("no sign-in begins", "", CheckCookies, CheckCaching)...)
	}
	return []Result{began, d.roundTrip(ctx, site, found, query.Get("state")), caching(found)}
}

// beginning judges where a sign-in leads to; its query is nil where it leads
// nowhere.
func (d *Doctor) beginning(site Site, found answer) (Result, url.Values) {
	result := Result{Check: CheckSignIn, Status: Fail}
	said := readHealth(found)
	target, err := url.Parse(found.header.Get("Location"))
	switch {
	case found.status != http.StatusFound && said.Reason != "":
		result.Message = fmt.Sprintf("no sign-in begins: %d %s", found.status, said.Reason)
		result.Fix = strings.TrimRight(said.Detail, ". ")
		return result, nil
	case found.status != http.StatusFound || err != nil || target.Query().Get("state") == "":
		result.Message = fmt.Sprintf("no sign-in begins: %s/signin answers with status %d, and not as the gateway", site.Endpoints, found.status)
		result.Fix = "have what stands in front pass " + site.Endpoints + "/* on unchanged"
		return result, nil
	}
	query := target.Query()
	uri, id := query.Get("redirect_uri"), query.Get("client_id")
	switch {
	case uri != site.redirectURI():
		result.Message = fmt.Sprintf("the gateway takes itself for %s: the redirect URI is %s and should be %s", originOf(uri), uri, site.redirectURI())
		result.Fix = "set public_url " + site.Origin + ", or have what stands in front pass Host and X-Forwarded-Proto on and name it in trusted_proxies"
	case d.Setup.Client.ID != "" && id != d.Setup.Client.ID:
		result.Message = "the gateway that answers there uses another client than this configuration says"
		result.Fix = "reload it with this configuration, or run doctor with the one it has"
	default:
		result.Status, result.Message = OK, "leads to "+originOf(target.String())+" with the redirect URI "+uri
	}
	return result, query
}

// roundTrip looks at the cookie of a sign-in, and gives it back.
func (d *Doctor) roundTrip(ctx context.Context, site Site, found answer, state string) Result {
	prefix := site.cookiePrefix() + "_flow_"
	cookie, changed := findCookie(found, prefix)
	if cookie == nil {
		return noCookie(site, changed)
	}
	if wrong := wrongAttributes(cookie, site); len(wrong) > 0 {
		return changedCookie(wrong)
	}
	return d.comesBack(ctx, site, Flow{Name: cookie.Name, Value: cookie.Value, State: state})
}

// comesBack ends a sign-in as somebody does who refuses it. The gateway says so
// if, and only if, the sign-in's cookie reaches it.
func (d *Doctor) comesBack(ctx context.Context, site Site, flow Flow) Result {
	query := url.Values{"state": {flow.State}, "error": {"access_denied"}}
	back, err := d.get(ctx, site.Origin+site.Endpoints+"/callback?"+query.Encode(), "Cookie", flow.Name+"="+flow.Value)
	if err != nil {
		why := d.diagnose(err, hostOf(site.Origin))
		return Result{Check: CheckCookies, Status: Fail, Message: why.message, Fix: why.fix}
	}
	switch said := readHealth(back); said.Reason {
	case "consent_denied":
		return Result{Check: CheckCookies, Status: OK, Message: "the gateway's cookies arrive unchanged, and come back to it"}
	case "state_mismatch":
		return Result{
			Check: CheckCookies, Status: Fail, Message: "cookies arrive at the browser, and do not come back to the gateway",
			Fix: "have what stands in front pass the Cookie header on; gateways behind one address need the same key, and so does this doctor",
		}
	default:
		return Result{
			Check: CheckCookies, Status: Fail, Message: fmt.Sprintf("a sign-in can't come back: %s/callback answers with status %d %s", site.Endpoints, back.status, said.Reason),
			Fix: "have what stands in front pass the query on unchanged",
		}
	}
}

// signOut looks at the cookies that signing out takes away, for which nobody has
// to be signed in and nothing is registered: what is done to them on their way
// is done to all.
func (d *Doctor) signOut(ctx context.Context, site Site) []Result {
	found, err := d.ask(ctx, d.http, http.MethodPost, site.Origin+site.Endpoints+"/signout", "Origin", site.Origin)
	if err != nil {
		why := d.diagnose(err, hostOf(site.Origin))
		return append([]Result{{Check: CheckCookies, Status: Fail, Message: why.message, Fix: why.fix}},
			skipped("the gateway did not answer", "", CheckCaching)...)
	}
	if said := readHealth(found); found.status != http.StatusSeeOther {
		return append([]Result{{
			Check: CheckCookies, Status: Fail,
			Message: strings.TrimSpace(fmt.Sprintf("%s/signout answers with status %d %s", site.Endpoints, found.status, said.Reason)),
			Fix:     "set public_url " + site.Origin + ", and have what stands in front pass Host and Origin on",
		}}, skipped("the gateway refused", "", CheckCaching)...)
	}
	return []Result{d.backAndForth(ctx, site, found), caching(found)}
}

// backAndForth looks at a cookie that was taken away, and tries the way back
// with one that the gateway could have set.
func (d *Doctor) backAndForth(ctx context.Context, site Site, found answer) Result {
	cookie, changed := findCookie(found, site.cookiePrefix())
	if cookie == nil {
		return noCookie(site, changed)
	}
	if wrong := wrongAttributes(cookie, site); len(wrong) > 0 {
		return changedCookie(wrong)
	}
	flow, err := d.Setup.Flow(ctx, site)
	if err != nil {
		return Result{
			Check: CheckCookies, Status: Warn, Message: "the gateway's cookies arrive unchanged; whether they come back is not known, since its key can't be read here",
			Fix: "run doctor as the gateway's user, or with --register",
		}
	}
	return d.comesBack(ctx, site, flow)
}

// cookiePrefix begins the names of the gateway's cookies on a site.
func (s Site) cookiePrefix() string {
	if s.isSecure() {
		return "__Host-" + s.Cookie
	}
	return s.Cookie
}

func (s Site) isSecure() bool { return strings.HasPrefix(s.Origin, "https://") }

// findCookie is the cookie whose name begins so. changed tells of one that was
// the gateway's under another name.
func findCookie(found answer, prefix string) (cookie *http.Cookie, changed string) {
	response := http.Response{Header: found.header}
	for _, cookie := range response.Cookies() {
		if strings.HasPrefix(cookie.Name, prefix) {
			return cookie, ""
		}
		if strings.Contains(cookie.Name, strings.TrimPrefix(prefix, "__Host-")) {
			changed = cookie.Name
		}
	}
	return nil, changed
}

func noCookie(site Site, changed string) Result {
	result := Result{Check: CheckCookies, Status: Fail, Message: "the gateway's cookie does not arrive: it is taken off on the way"}
	result.Fix = "have what stands in front leave Set-Cookie alone (nginx: no proxy_hide_header or proxy_ignore_headers Set-Cookie)"
	if changed != "" {
		result.Message = fmt.Sprintf("the gateway's cookie arrives under another name, %s in place of %s…", changed, site.cookiePrefix())
		result.Fix = "have what stands in front leave the names of cookies alone, and make public_url the address it serves"
	}
	return result
}

// wrongAttributes are what of a cookie is not as the gateway set it.
func wrongAttributes(cookie *http.Cookie, site Site) []string {
	var wrong []string
	if cookie.Path != "/" {
		wrong = append(wrong, "Path is "+strconv.Quote(cookie.Path)+" in place of /")
	}
	if cookie.Domain != "" {
		wrong = append(wrong, "it has a Domain")
	}
	if cookie.Secure != site.isSecure() {
		wrong = append(wrong, map[bool]string{true: "it has no Secure", false: "it has Secure, and the site is http"}[site.isSecure()])
	}
	if !cookie.HttpOnly {
		wrong = append(wrong, "it has no HttpOnly")
	}
	if cookie.SameSite != http.SameSiteLaxMode && cookie.SameSite != http.SameSiteStrictMode {
		wrong = append(wrong, "its SameSite is neither Lax nor Strict")
	}
	return wrong
}

func changedCookie(wrong []string) Result {
	return Result{
		Check: CheckCookies, Status: Fail, Message: "the gateway's cookie is changed on its way: " + strings.Join(wrong, ", "),
		Fix: "have what stands in front leave Set-Cookie alone (nginx: no proxy_cookie_path, proxy_cookie_domain or proxy_cookie_flags)",
	}
}

// caching tells whether an answer that nobody may keep was kept.
func caching(found answer) Result {
	h := found.header
	age, _ := strconv.Atoi(h.Get("Age"))
	stored := ""
	for _, field := range []string{"Cf-Cache-Status", "X-Cache", "X-Cache-Status", "X-Proxy-Cache"} {
		if strings.Contains(strings.ToUpper(h.Get(field)), "HIT") {
			stored = field + ": " + h.Get(field)
		}
	}
	const fix = "have the cache or CDN in front leave out this site, or at least whatever says Cache-Control: no-store"
	switch {
	case stored != "" || age > 0:
		if stored == "" {
			stored = "Age: " + h.Get("Age")
		}
		return Result{Check: CheckCaching, Status: Fail, Message: "a cache in front serves what is for one visitor to all (" + stored + ")", Fix: fix}
	case !strings.Contains(h.Get("Cache-Control"), "no-store"):
		return Result{Check: CheckCaching, Status: Warn, Message: "Cache-Control: no-store is taken off the gateway's answers", Fix: fix}
	default:
		return Result{Check: CheckCaching, Status: OK, Message: "nothing keeps the gateway's answers"}
	}
}
