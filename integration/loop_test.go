package integration

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"
)

// goesRound follows redirects until one stops. What comes of a redirect is nothing
// a person did on the site, and browsers say so.
func (v *visitor) goesRound(at answer) answer {
	v.t.Helper()
	for range 60 {
		if !at.redirects() {
			return at
		}
		headers := navigation.Clone()
		headers.Set("Sec-Fetch-Site", "cross-site")
		at = v.send(http.MethodGet, at.location(v.t).String(), headers, "")
	}
	v.t.Fatalf("it goes round, and is at %v", at.URL)
	return at
}

// stopsWith checks where a loop has ended.
func (w *world) stopsWith(at answer, diagnosis string) {
	w.t.Helper()
	if at.Status != http.StatusLoopDetected || !strings.Contains(at.Body, "Diagnosis: "+diagnosis+".") {
		w.t.Errorf("%d at %v, want %s:\n%s", at.Status, at.URL, diagnosis, at.Body)
	}
	eventually(w.t, "the log says why", func() bool { return strings.Contains(string(w.gateway.output()), `"diagnosis":"`+diagnosis+`"`) })
}

// front is a proxy before the gateway that changes what passes.
func (w *world) front(change func(r *http.Request, answer *http.Response)) *httptest.Server {
	target, err := url.Parse(w.gateway.URL)
	if err != nil {
		w.t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{
		Rewrite:        func(r *httputil.ProxyRequest) { r.SetURL(target); r.Out.Host = r.In.Host },
		ModifyResponse: func(answer *http.Response) error { change(answer.Request, answer); return nil },
	}
	front := httptest.NewServer(proxy)
	w.t.Cleanup(front.Close)
	front.URL = strings.Replace(front.URL, "127.0.0.1", "localhost", 1) // the site's name
	return front
}

func TestAProxyThatDropsTheSessionCookieIsFoundOut(t *testing.T) {
	w := newWorld(t, setup{})
	w.quickly()
	front := w.front(func(_ *http.Request, answer *http.Response) {
		var kept []string
		for _, line := range answer.Header["Set-Cookie"] {
			if !strings.HasPrefix(line, "osc_session=") {
				kept = append(kept, line)
			}
		}
		answer.Header["Set-Cookie"] = kept
	})
	v := newVisitor(t, front.URL)
	w.stopsWith(v.goesRound(v.open("/studio")), "cookie_missing")

	b := newBrowser(t) // which is sent by pages, and would never give up by itself
	b.open(front.URL + "/studio")
	b.see(".hint")
	if text := b.text(); !strings.Contains(text, "Allow cookies") || !strings.Contains(text, "cookie_missing") {
		t.Errorf("at %s:\n%s", b.address(), text)
	}
}

// Something in front leads pages, but not callbacks, from the public URL to
// another host: neither's cookies reach the other.
func TestPagesOnAnotherHostThanThePublicURLAreFoundOut(t *testing.T) {
	t.Parallel()
	w := newWorld(t, setup{})
	w.quickly()
	public, other := w.gateway.URL, strings.Replace(w.gateway.URL, "localhost", "127.0.0.1", 1)
	w.gateway.sites = "http://" + w.gateway.address + " {\n\tosc_proxy " + strings.TrimPrefix(w.app.URL, "http://") + " {\n\t\tpublic_url " + public + "\n\t}\n}\n"
	w.configure("", "")
	w.gateway.reload()
	v := newVisitor(t, other)
	at := v.open("/studio")
	for range 60 {
		if !at.redirects() {
			break
		}
		next := at.location(t)
		if public == next.Scheme+"://"+next.Host && !strings.HasPrefix(next.Path, "/auth/") {
			at = v.open(other + next.RequestURI()) // as the rule in front has it
		} else {
			at = v.follow(at)
		}
	}
	w.stopsWith(at, "other_host")
}

func TestAnAppThatSendsPeopleToSignInWhoAreSignedInIsFoundOut(t *testing.T) {
	w := newWorld(t, setup{})
	w.quickly()
	w.app.handle("/studio", func(rw http.ResponseWriter, r *http.Request) {
		http.Redirect(rw, r, "/auth/signin?return_to=/studio", http.StatusFound)
	})
	v := w.visitor()
	w.stopsWith(v.goesRound(v.open("/studio")), "app_redirect")

	b := newBrowser(t)
	b.open(w.gateway.URL + "/studio")
	b.see(".hint")
	if text := b.text(); !strings.Contains(text, "You are signed in, but") || !strings.Contains(text, "app_redirect") {
		t.Errorf("at %s:\n%s", b.address(), text)
	}
}
