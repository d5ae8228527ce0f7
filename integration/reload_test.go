package integration

import (
	"net/http"
	"strings"
	"testing"
)

func TestAReloadKeepsSessionsAndSignInsUnderWay(t *testing.T) {
	t.Parallel()
	w := newWorld(t, setup{})
	w.quickly()
	v, late := w.visitor(), w.visitor()
	v.signIn("/")
	session := v.session()
	underway := late.open("/studio")

	for _, greeting := range []string{"hello", "again"} {
		w.configure("", "\theader X-Greeting "+greeting+"\n"+usualSite)
		w.gateway.reload()
		got := v.open("/studio")
		if got.Status != http.StatusOK || got.Header.Get("X-Greeting") != greeting || v.session() != session {
			t.Errorf("after the reload: %v, greeting %q", got, got.Header["X-Greeting"])
		}
	}
	if page := late.finish(underway); page.Status != http.StatusOK || page.URL.Path != "/studio" {
		t.Errorf("a sign-in begun before: %v", page)
	}
	if counted := w.osc.Counters(); counted.Registrations != 1 || counted.CodeExchanges != 2 {
		t.Errorf("%d registrations, %d exchanges", counted.Registrations, counted.CodeExchanges)
	}
}

func TestAReloadThatFailsChangesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, setup{})
	w.quickly()
	v := w.visitor()
	v.signIn("/")
	w.configure("\t\tidle_timeout soon\n", "")
	output, status := w.gateway.run("reload", "--config", w.gateway.config, "--adapter", "caddyfile", "--address", "unix/"+w.gateway.admin())
	if status == 0 || !strings.Contains(output, "Caddyfile:") {
		t.Errorf("status %d: %s", status, output)
	}
	if got := v.open("/studio"); got.Status != http.StatusOK {
		t.Errorf("%v", got)
	}
}

func TestARequestUnderWayOutlivesAReload(t *testing.T) {
	t.Parallel()
	w := newWorld(t, setup{})
	w.quickly()
	arrived, leave := make(chan struct{}), make(chan struct{})
	w.app.handle("/slow", func(answer http.ResponseWriter, _ *http.Request) {
		close(arrived)
		<-leave
		answer.Write([]byte("done"))
	})
	v := w.visitor()
	v.signIn("/")
	result := make(chan answer, 1)
	go func() {
		got, err := v.try(http.MethodGet, "/slow", navigation, "")
		if err != nil {
			t.Error(err)
		}
		result <- got
	}()
	<-arrived
	w.configure("\t\tidle_timeout 1h\n", "")
	output, status := w.gateway.run("reload", "--config", w.gateway.config, "--adapter", "caddyfile", "--address", "unix/"+w.gateway.admin())
	close(leave)
	if status != 0 {
		t.Errorf("reload: %s", output)
	}
	if got := <-result; got.Status != http.StatusOK || got.Body != "done" {
		t.Errorf("%v", got)
	}
}
