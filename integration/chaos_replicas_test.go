package integration

import (
	"encoding/json"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestChangingTheKeySignsNobodyOut(t *testing.T) {
	t.Parallel()
	const newKey = "//79/Pv6+fj39vX08/Lx8O/u7ezr6uno5+bl5OPi4eA="
	redis := newRedis(t)
	store := "\t\tstore redis redis://" + redis.address + "\n"
	c := newChaos(t, chaosSpec{gateways: 2, global: redis.store(), env: []string{"NEW_KEY=" + newKey}})
	c.lifetime(6 * time.Second) // records are written again and again
	c.reloading.Store(true)     // a connection that was kept may be closed just as it is used again
	all := c.guests(12)
	c.signedIn(all)
	sessions := map[*guest]string{}
	for _, g := range all {
		sessions[g] = g.session()
	}
	var turn atomic.Int64
	visits := func() {
		t.Helper()
		crowd(t, "visiting", 10*len(all), 8, func(i int) error { return all[i%len(all)].visit(int(turn.Add(1) % 2)) })
	}
	late := c.guests(20)[16:]
	for round, ring := range []string{"{env.OSC_GATEWAY_KEY} {env.NEW_KEY}", "{env.NEW_KEY} {env.OSC_GATEWAY_KEY}"} {
		for i := range c.gateways { // one after the other, as in a roll-out
			arriving := late[2*round+i]
			callback, err := arriving.begin(1 - i)
			if err != nil {
				t.Fatal(err)
			}
			c.configure(i, store+"\t\tkey "+ring+"\n")
			if err := c.reload(i); err != nil {
				t.Fatal(err)
			}
			visits()
			if err := arriving.finish(i, callback); err != nil {
				t.Errorf("a sign-in begun before: %v", err)
			}
		}
	}
	refreshes := c.provider.Counters().Refreshes
	eventually(t, "every session was refreshed under the new key", func() bool {
		visits()
		return c.provider.Counters().Refreshes >= refreshes+len(all)
	})
	for _, g := range all {
		if g.session() != sessions[g] {
			t.Errorf("%s has another session", g.user)
		}
	}
	if counted := c.provider.Counters(); counted.CodeExchanges != len(all)+len(late) || counted.ReuseDetected != 0 || counted.RefreshRejected != 0 {
		t.Errorf("%+v", counted)
	}
}

func TestGatewaysBehindABalancerAreOne(t *testing.T) {
	t.Parallel()
	redis := newRedis(t)
	c := newChaos(t, chaosSpec{gateways: 2, global: redis.store()})
	var turn atomic.Int64
	next := func() int { return int(turn.Add(1) % 2) }
	all := c.guests(50)
	crowd(t, "first visits", len(all), len(all), func(i int) error {
		begunAt := next()
		callback, err := all[i].begin(begunAt)
		if err == nil {
			err = all[i].finish(1-begunAt, callback)
		}
		for range 4 {
			if err == nil {
				err = all[i].visit(next())
			}
		}
		return err
	})
	if counted := c.provider.Counters(); counted.Registrations != 1 || counted.CodeExchanges != len(all) {
		t.Errorf("%d registrations, %d exchanges", counted.Registrations, counted.CodeExchanges)
	}
}

func TestARestartKeepsSessionsAndSignInsUnderWay(t *testing.T) {
	t.Parallel()
	c := newChaos(t, chaosSpec{})
	all := c.guests(10)
	c.signedIn(all)
	late := c.guest("late")
	callback, err := late.begin(0)
	if err != nil {
		t.Fatal(err)
	}
	for _, end := range []func(){c.restart, func() { c.kill(0); c.gateways[0].start() }} {
		end()
		crowd(t, "afterwards", len(all), 4, func(i int) error { return all[i].visit(0) })
	}
	if err := late.finish(0, callback); err != nil {
		t.Error(err)
	}
	if err := late.visit(0); err != nil {
		t.Error(err)
	}
	if counted := c.provider.Counters(); counted.CodeExchanges != len(all)+1 || counted.Registrations != 1 {
		t.Errorf("%+v", counted)
	}
}

func TestAnOperatorEndsSessionsEverywhere(t *testing.T) {
	t.Parallel()
	redis := newRedis(t)
	c := newChaos(t, chaosSpec{gateways: 2, global: redis.store()})
	all := c.guests(4)
	c.signedIn(all)
	crowd(t, "before", 40, 4, func(i int) error { return all[i%len(all)].visit(i / len(all) % 2) })
	g := c.gateways[0]
	address := "unix/" + g.admin()
	output, status := g.run("sessions", "list", "--json", "--address", address)
	var listed []struct{ ID, User, Tenant string }
	if err := json.Unmarshal([]byte(output), &listed); status != 0 || err != nil || len(listed) != len(all) {
		t.Fatalf("status %d, %v: %s", status, err, output)
	}
	gone := map[string]bool{listed[0].User: true, all[3].user: true}
	for _, arguments := range [][]string{{listed[0].ID}, {"--user", all[3].user}} {
		if listed[0].User == all[3].user && arguments[0] == "--user" {
			continue
		}
		output, status := g.run(append([]string{"sessions", "revoke", "--address", address}, arguments...)...)
		if status != 0 || !strings.Contains(output, "revoked 1") {
			t.Errorf("status %d: %s", status, output)
		}
	}
	for _, g := range all {
		for i := range c.gateways {
			got, err := g.fetch(i)
			switch {
			case err != nil:
				t.Error(err)
			case gone[g.user] && (got.Status != http.StatusUnauthorized || reasonOf(got) != "session_revoked"):
				t.Errorf("%s was revoked, yet: %v", g.user, got)
			case !gone[g.user] && (got.Status != http.StatusOK || got.Body != g.user):
				t.Errorf("%s was not revoked, yet: %v", g.user, got)
			}
		}
	}
	if output, status := g.run("sessions", "revoke", listed[0].ID, "--address", address); status == 0 {
		t.Errorf("revoked again: %s", output)
	}
	if output, status = g.run("sessions", "list", "--address", address); status != 0 || !strings.Contains(output, "ended: session_revoked") {
		t.Errorf("status %d: %s", status, output)
	}
}
