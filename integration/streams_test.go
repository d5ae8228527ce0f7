package integration

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/Eyevinn/osc-gateway/internal/simulator"
)

// openStreamView is a stream as the admin API tells of it.
type openStreamView struct{ Session, Site, User, Tenant, Kind, Path string }

func (w *world) openStreams() (list []openStreamView) {
	w.t.Helper()
	text := w.gateway.mustAdmin(http.MethodGet, "/osc_auth/streams")
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		w.t.Fatalf("%v: %s", err, text)
	}
	return list
}

func TestAStreamEndsWithItsSessionAndNoOther(t *testing.T) {
	t.Parallel()
	w := newWorld(t, setup{})
	w.app.streams()
	w.quickly()
	ends := map[string]func(v *visitor){
		"signing out": func(v *visitor) { v.signOut() },
		"the operator revokes it": func(v *visitor) {
			for _, open := range w.openStreams() {
				w.gateway.mustAdmin(http.MethodDelete, "/osc_auth/sessions/"+open.Session)
				return
			}
		},
	}
	for name, end := range ends {
		v, other := w.visitor(), w.visitor()
		v.signIn("/")
		var streams []*stream
		for _, kind := range streamKinds {
			s := w.stream(v, kind)
			s.lives(name)
			streams = append(streams, s)
		}
		if open := w.openStreams(); len(open) != 2 || open[0].User == "" || open[0].Tenant == "" || open[0].Site != v.base ||
			open[0].Kind+open[1].Kind != "websocketsse" && open[0].Kind+open[1].Kind != "ssewebsocket" {
			t.Errorf("the admin API lists %+v", open)
		}
		end(v)
		for _, s := range streams {
			s.ends(name)
		}
		eventually(t, "the list is empty", func() bool { return len(w.openStreams()) == 0 })

		other.signIn("/")
		s := w.stream(other, "/ws")
		w.visitor().signIn("/")
		s.lives("another session came")
		s.conn.Close()
		eventually(t, "a stream its client left is listed no more", func() bool { return len(w.openStreams()) == 0 })
	}
}

func TestAStreamOutlivesRefreshesAndReloads(t *testing.T) {
	t.Parallel()
	w := newWorld(t, setup{})
	w.app.streams()
	w.quickly()
	w.osc.SetKnobs(func(k *simulator.Knobs) { k.Token.AccessLifetimeSeconds = 3 })
	v := w.visitor()
	v.signIn("/")
	ws, sse := w.stream(v, "/ws"), w.stream(v, "/events")
	refreshes := w.osc.Counters().RefreshesOK
	for _, greeting := range []string{"hello", "again"} {
		w.configure("", "\theader X-Greeting "+greeting+"\n"+usualSite)
		w.gateway.reload()
		ws.lives("after a reload")
		sse.lives("after a reload")
	}
	eventually(t, "the session was refreshed twice, and nobody but the streams uses it", func() bool {
		return w.osc.Counters().RefreshesOK >= refreshes+2
	})
	ws.lives("after refreshes")
	sse.lives("after refreshes")
	v.signOut()
	ws.ends("signing out under another configuration")
	sse.ends("signing out under another configuration")
}

func TestAStreamEndsWithTheAbsoluteEndOfItsSessionOrItsOwn(t *testing.T) {
	t.Parallel()
	for name, s := range map[string]setup{
		"the session's": {global: "\t\tsession_lifetime 4s\n"},
		"its own":       {site: strings.Replace(usualSite, "{\n", "{\n\t\tstreams 3s\n", 1)},
		"its route's":   {site: strings.Replace(usualSite, "{\n", "{\n\t\trequired /ws /events {\n\t\t\tstreams 3s\n\t\t}\n", 1)},
	} {
		w := newWorld(t, s)
		w.app.streams()
		w.quickly()
		v := w.visitor()
		v.signIn("/")
		ws, sse := w.stream(v, "/ws"), w.stream(v, "/events")
		ws.lives(name)
		sse.lives(name)
		ws.ends(name)
		sse.ends(name)
	}
}

func TestAStreamBeginsWithATokenThatLasts(t *testing.T) {
	t.Parallel()
	w := newWorld(t, setup{})
	w.app.streams()
	w.quickly()
	// Within the last five minutes of a token's life a request is served with it
	// at once; a stream waits for the next one.
	w.osc.SetKnobs(func(k *simulator.Knobs) { k.Token.AccessLifetimeSeconds = 20 })
	v := w.visitor()
	v.signIn("/")
	before, _ := w.app.last(t).token()
	await(time.Now().Add(14 * time.Second))
	w.stream(v, "/ws")
	if after, ok := w.app.last(t).token(); !ok || after == before {
		t.Error("the stream began with a token that has seconds left")
	}
}

func TestAStreamEndsOnEveryReplica(t *testing.T) {
	t.Parallel()
	redis := newRedis(t)
	c := newChaos(t, chaosSpec{gateways: 2, global: redis.store()})
	g := c.guest("ada")
	if err := g.signIn(0); err != nil {
		t.Fatal(err)
	}
	s := openStream(t, c.gateways[1].address, c.URL, g.session(), "/ws")
	if s.status != http.StatusSwitchingProtocols {
		t.Fatal(s.status)
	}
	s.lives("on the other replica")
	begun := time.Now()
	if _, err := g.signOut(0); err != nil {
		t.Fatal(err)
	}
	s.ends("signed out on the other replica")
	t.Logf("ended after %v", time.Since(begun).Round(time.Millisecond))
}
