package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"syscall"
	"testing"
	"time"

	"github.com/Eyevinn/osc-gateway/internal/secret"
	"github.com/Eyevinn/osc-gateway/internal/stores"
	"github.com/Eyevinn/osc-gateway/internal/tokens"
)

func TestCommitsOfASessionFileAreCounted(t *testing.T) {
	path := t.TempDir() + "/sessions.db"
	store, err := stores.OpenFile(path, stores.FileConfig{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	before, err := commits(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		record := tokens.Record{Generation: 1, Expires: time.Now().Add(time.Hour), Sealed: []byte("sealed")}
		if err := store.Create(t.Context(), tokens.Name{byte(i)}, record); err != nil {
			t.Fatal(err)
		}
	}
	if after, err := commits(path); err != nil || after != before+3 {
		t.Errorf("%d commits after %d, %v", after, before, err)
	}
}

func TestOnlyASessionFileHasCommits(t *testing.T) {
	foreign := make([]byte, 2*4096)
	binary.NativeEndian.PutUint32(foreign[16:], 0xED0CDAED) // one of two pages
	for name, head := range map[string][]byte{"nothing": nil, "zeros": make([]byte, 2*4096), "half": foreign} {
		if _, err := lastCommit(head); !errors.Is(err, errNoBolt) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestDroppedConnectionsAreToldFromOtherFailures(t *testing.T) {
	for err, want := range map[error]bool{
		io.EOF: true, syscall.ECONNRESET: true, syscall.ECONNREFUSED: true, fmt.Errorf("write: %w", syscall.EPIPE): true,
		errors.New("malformed"): false, nil: false,
	} {
		if isDropped(err) != want {
			t.Errorf("isDropped(%v) = %v", err, !want)
		}
	}
}

func TestReloadsAreComparedPairByPair(t *testing.T) {
	plain := []reloaded{{loads: []time.Duration{2e6, 4e6, 9e6}, again: 1}, {loads: []time.Duration{10e6}, again: 2}}
	ours := []reloaded{{loads: []time.Duration{8e6}, lost: 1}, {loads: []time.Duration{10e6}}}
	if got := ratiosOf(ours, plain, reloaded.took); got[0] != 2 || got[1] != 1 {
		t.Errorf("ratios = %v", got)
	}
	if spreadOf(plain, reloaded.took) != "7.0 [5.5–8.5]" || sum(plain, reloaded.repeated) != 3 || sum(ours, reloaded.missing) != 1 {
		t.Error("sums are wrong")
	}
}

// A record that the gateway could not open, or a cookie it would not take,
// would show as requests that fail; here it shows at once.
func TestSessionsAreThoseOfAGatewayWithTheSameKey(t *testing.T) {
	provider, err := newProvider(900)
	if err != nil {
		t.Fatal(err)
	}
	defer provider.close()
	l, err := newLab(&rig{dir: t.TempDir(), provider: provider, pinning: pinning{why: "a test"}}, scaleOptions{})
	if err != nil {
		t.Fatal(err)
	}
	p, err := l.file(t.Context(), visitors)
	if err != nil {
		t.Fatal(err)
	}
	if cookie, err := p.cookie(7); err != nil || len(cookie) < tokens.TicketSize {
		t.Errorf("cookie %q, %v", cookie, err)
	}
	store, err := stores.OpenFile(p.path, stores.FileConfig{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	session, err := l.vault(store, nil).Fresh(t.Context(), l.realm(p.address), p.tickets[7])
	if err != nil || session.Access.Reveal() != l.accessToken(7) {
		t.Fatalf("%v, %v", session, err)
	}
	if len(l.accessToken(7)) != len(provider.token()) {
		t.Error("tokens are of another length than the provider's")
	}
}

func TestGrantsCanBeRefreshed(t *testing.T) {
	provider, err := newProvider(900)
	if err != nil {
		t.Fatal(err)
	}
	defer provider.close()
	g := (&lab{rig: &rig{provider: provider}}).grants()
	g.lifetime(time.Minute)
	set, err := g.get(t.Context(), "somebody")
	if err != nil || set.Lifetime != time.Minute || set.Refresh.IsEmpty() || set.Access.Equal(secret.String{}) {
		t.Errorf("%+v, %v", set, err)
	}
	if provider.osc.Counters().CodeExchangesOK != 1 {
		t.Error("the provider does not know of it")
	}
}
