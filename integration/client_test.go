package integration

import (
	"net/http"
	"testing"

	"github.com/Eyevinn/osc-gateway/internal/simulator"
)

func TestAConfiguredClientIsUsedAndItsSecretStaysSecret(t *testing.T) {
	t.Parallel()
	c := &canaries{}
	w := &world{t: t, canaries: c, osc: newOSC(t, c), app: newApp(t, c)}
	w.osc.up()
	w.gateway = newGateway(t, c, "OSC_CLIENT_ID=our-app", "OSC_CLIENT_SECRET="+marker)
	c.note(clientSecret, marker)
	w.osc.allow("our-app", marker, w.gateway.URL+"/auth/callback")
	w.configure("", "")
	w.gateway.start()

	v := w.visitor()
	if page := v.signIn("/studio"); page.Status != http.StatusOK {
		t.Fatal(page)
	}
	if n := w.osc.Counters().Endpoints[simulator.EndpointRegister]; n != 0 {
		t.Errorf("%d registrations", n)
	}
}

func TestAClientTheProviderDoesNotAcceptIsSaidAndNotTriedForever(t *testing.T) {
	t.Parallel()
	w := newWorld(t, setup{env: []string{"OSC_CLIENT_ID=our-app", "OSC_CLIENT_SECRET=" + marker}})
	w.canaries.note(clientSecret, marker)
	w.osc.allow("our-app", "another one", w.gateway.URL+"/auth/callback")
	v := w.visitor()
	page := v.signIn("/studio")
	if page.Status != http.StatusBadGateway || v.session() != "" || w.osc.Counters().CodeExchanges != 1 {
		t.Errorf("%v after %d exchanges", page, w.osc.Counters().CodeExchanges)
	}
}
