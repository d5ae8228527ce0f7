package tokens_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/Eyevinn/osc-gateway/internal/tokens"
)

const (
	jobService = "eyevinn-intercom-manager"
	jobLife    = 10 * time.Hour
)

// jobKeys is a ring of job keys by number; they are none of the master keys.
func jobKeys(t *testing.T, numbers ...byte) *tokens.KeyRing {
	t.Helper()
	for i := range numbers {
		numbers[i] += 100
	}
	return newRing(t, numbers...)
}

// job makes a handle for a session.
func (r *rig) job(t *testing.T, ticket tokens.Ticket, life time.Duration) string {
	t.Helper()
	handle, err := r.Job(t.Context(), site, ticket, jobService, life)
	if err != nil {
		t.Fatal(err)
	}
	return handle.Reveal()
}

// jobBubble is a bubble whose vault keeps jobs.
func jobBubble(t *testing.T, test func(t *testing.T, r *rig)) {
	t.Helper()
	bubble(t, func(t *testing.T, r *rig) {
		r.KeepJobs(jobKeys(t, 1))
		test(t, r)
	})
}

func TestAJobOfNoSessionSaysSo(t *testing.T) {
	jobBubble(t, func(t *testing.T, r *rig) {
		ticket := r.signIn(t, dayLong(1))
		ask := func() answer {
			handle, err := r.Job(t.Context(), site, ticket, jobService, jobLife)
			if !handle.IsEmpty() {
				t.Error("there is a handle")
			}
			return answer{nil, err}
		}
		r.store.put(down, "load")
		ask().wantUnavailable(t, tokens.PartStore)
		r.store.heal()
		r.store.put(down, "replace")
		ask().wantUnavailable(t, tokens.PartStore)
		r.store.heal()
		if _, err := r.Job(t.Context(), "other.example.com", ticket, jobService, jobLife); !errors.Is(err, tokens.ErrAbsent) {
			t.Errorf("another site's: %v", err)
		}
		if err := r.End(t.Context(), ticket.Name(), tokens.EndRevoked); err != nil {
			t.Fatal(err)
		}
		ask().wantEnded(t, tokens.EndRevoked)
		if err := r.Revoke(t.Context(), ticket); err != nil {
			t.Fatal(err)
		}
		ask().wantAbsent(t)
	})
}

func TestJobsAreNotWrittenDownAtEveryRequest(t *testing.T) {
	jobBubble(t, func(t *testing.T, r *rig) {
		ticket := r.signIn(t, dayLong(1))
		const each = jobLife / 200
		for range 200 {
			r.clock.Advance(each)
			writes, loads := r.store.count("replace"), r.store.count("load")
			r.job(t, ticket, jobLife)
			if r.store.count("replace") == writes && r.store.count("load") != loads+1 {
				t.Fatalf("%d loads to find that nothing is to be written", r.store.count("load")-loads)
			}
		}
		if writes := r.store.count("replace"); writes < 18 || writes > 20 {
			t.Errorf("%d writes in a job's life of requests, want one in a twentieth of it", writes)
		}
	})
}

// Of a session that has less time than the job there is nothing more to write.
func TestAJobAsLongAsItsSessionIsWrittenDownOnce(t *testing.T) {
	jobBubble(t, func(t *testing.T, r *rig) {
		ticket := r.signIn(t, dayLong(1))
		for range 100 {
			r.clock.Advance(time.Minute)
			r.job(t, ticket, 2*limits.Lifetime)
		}
		if writes := r.store.count("replace"); writes != 1 {
			t.Errorf("%d writes", writes)
		}
	})
}

func TestAShortJobDoesNotShortenALongOne(t *testing.T) {
	jobBubble(t, func(t *testing.T, r *rig) {
		ticket := r.signIn(t, dayLong(1))
		long := r.job(t, ticket, 2*limits.Idle)
		r.job(t, ticket, time.Minute)
		r.clock.Advance(2*limits.Idle - time.Second)
		if _, err := r.OpenJob(long); err != nil {
			t.Fatal(err)
		}
		r.fresh(t, ticket).wantToken(t, 1)
	})
}

func TestAJobIsWrittenDownAgainstOtherWriters(t *testing.T) {
	for how, write := range map[string]func(t *testing.T, other *rig, ticket tokens.Ticket){
		"another job": func(t *testing.T, other *rig, ticket tokens.Ticket) { other.job(t, ticket, jobLife) },
		"a refresh": func(t *testing.T, other *rig, ticket tokens.Ticket) {
			other.renew(t.Context(), ticket, 1).wantToken(t, 2)
		},
	} {
		t.Run(how, func(t *testing.T) {
			jobBubble(t, func(t *testing.T, r *rig) {
				ticket := r.signIn(t, grant(1))
				r.clock.Advance(2 * time.Minute)
				other := r.replica()
				other.KeepJobs(jobKeys(t, 1))
				open := gate(r)
				done := make(chan error, 1)
				go func() {
					_, err := r.Job(t.Context(), site, ticket, jobService, jobLife)
					done <- err
				}()
				settle()
				write(t, other, ticket)
				settle()
				close(open)
				if err := <-done; err != nil {
					t.Fatal(err)
				}
				if want := map[string]int{"another job": 1, "a refresh": 2}[how]; r.store.count("replace") != want {
					t.Errorf("%d writes, want %d", r.store.count("replace"), want)
				}
				other.clock.Advance(time.Second)
				if how == "a refresh" {
					r.fresh(t, ticket).wantToken(t, 2)
				}
			})
		})
	}
}

func TestAJobOfASessionThatEndsMeanwhileLeavesNoTicketBehind(t *testing.T) {
	jobBubble(t, func(t *testing.T, r *rig) {
		ticket := r.signIn(t, dayLong(1))
		open := gate(r)
		done := make(chan error, 1)
		go func() {
			_, err := r.Job(t.Context(), site, ticket, jobService, jobLife)
			done <- err
		}()
		settle()
		if err := r.replica().End(t.Context(), ticket.Name(), tokens.EndRevoked); err != nil {
			t.Fatal(err)
		}
		close(open)
		answer{nil, <-done}.wantEnded(t, tokens.EndRevoked)
		if len(tokens.KeptTicket(r.ring, r.record(t, ticket), ticket.Name())) != 0 {
			t.Error("the ticket is kept")
		}
	})
}

func TestAJobThatMeetsEndlessConflictsIsNone(t *testing.T) {
	jobBubble(t, func(t *testing.T, r *rig) {
		ticket := r.signIn(t, dayLong(1))
		r.store.put(func(func() error) error { return tokens.ErrConflict }, "replace")
		_, err := r.Job(t.Context(), site, ticket, jobService, jobLife)
		wantUnavailable(t, err, tokens.PartStore)
	})
}

func TestASessionWithALiveJobIsNotIdle(t *testing.T) {
	const life = 3 * 12 * time.Hour
	for name, test := range map[string]struct {
		after time.Duration
		ended bool
	}{
		"just before the handle's end":  {life - time.Second, false},
		"when nothing keeps it":         {life + life/20, true},
		"one that is used in the midst": {life / 2, false},
	} {
		t.Run(name, func(t *testing.T) {
			jobBubble(t, func(t *testing.T, r *rig) {
				ticket := r.signIn(t, dayLong(1))
				r.job(t, ticket, life)
				r.clock.Advance(test.after)
				if got := r.fresh(t, ticket); test.ended {
					got.wantEnded(t, tokens.EndExpired)
				} else {
					got.wantToken(t, 1)
				}
			})
		})
	}
}

func TestALiveJobDoesNotOutliveItsSession(t *testing.T) {
	jobBubble(t, func(t *testing.T, r *rig) {
		ticket := r.signIn(t, dayLong(1))
		r.job(t, ticket, 2*limits.Lifetime)
		r.clock.Advance(limits.Lifetime)
		if got := r.fresh(t, ticket); got.err == nil {
			t.Error("the session outlived its lifetime")
		}
	})
}

// keptFor has the keeper at work for a while and tells how often it refreshed.
func keptFor(p *strict, d time.Duration) int {
	before := len(p.sends())
	pass(d)
	return len(p.sends()) - before
}

func TestASessionWithALiveJobIsKeptFreshBeyondTheIdleLimit(t *testing.T) {
	strictBubble(t, func(t *testing.T, r *rig, p *strict) {
		const idle, life = time.Hour, 8 * time.Hour
		r.limit(idle, limits.Lifetime, p)
		r.KeepJobs(jobKeys(t, 1))
		r.keepAlive(t)
		ticket := r.signIn(t, p.authorize("ada"))
		handle := r.job(t, ticket, life)
		if calls := keptFor(p, life-time.Minute); calls < 8 || calls > 9 {
			t.Errorf("%d calls in %v", calls, life)
		}
		job, err := r.OpenJob(handle)
		if err != nil {
			t.Fatal(err)
		}
		session, err := r.Lasting(t.Context(), job.Site, job.Ticket)
		p.wantServed(t, answer{session, err}, "ada") // which counts as use
		pass(life/20 + idle + idle/20 + 2*time.Minute)
		r.fresh(t, ticket).wantEnded(t, tokens.EndExpired)
		if calls := keptFor(p, 5*time.Hour); calls != 0 {
			t.Errorf("%d calls after its end", calls)
		}
		r.wantSessions(t, 0)
		p.wantNoneTwice(t)
	})
}

// What this process gave a handle for it need not search the store for.
func TestAJobIsKeptByWhoGaveItsHandle(t *testing.T) {
	strictBubble(t, func(t *testing.T, r *rig, p *strict) {
		r.limit(20*time.Minute, limits.Lifetime, p)
		r.KeepJobs(jobKeys(t, 1))
		r.store.put(down, "each")
		r.keepAlive(t)
		r.job(t, r.signIn(t, p.authorize("ada")), jobLife)
		if calls := keptFor(p, jobLife-time.Minute); calls < 10 || calls > 12 {
			t.Errorf("%d calls in %v", calls, jobLife)
		}
	})
}

func TestASessionWhoseJobsAreOverIsNotRefreshedBeyondTheIdleLimit(t *testing.T) {
	strictBubble(t, func(t *testing.T, r *rig, p *strict) {
		r.KeepJobs(jobKeys(t, 1))
		r.keepAlive(t)
		for i := range 50 {
			r.job(t, r.signIn(t, p.authorize(fmt.Sprint("user", i))), time.Minute)
		}
		begun := time.Now()
		pass(20 * time.Hour)
		for _, s := range p.sends() {
			if idle := s.at.Sub(begun); idle > limits.Idle {
				t.Errorf("refreshed after %v without use", idle)
			}
		}
		r.wantSessions(t, 0)
	})
}

// What is stored of a session with a job opens no token, not even together with
// the master key.
func TestADumpOfTheStoreAndTheMasterKeyOpenNoJob(t *testing.T) {
	jobBubble(t, func(t *testing.T, r *rig) {
		ticket := r.signIn(t, dayLong(1))
		handle := r.job(t, ticket, jobLife)
		stored, err := r.store.Load(t.Context(), ticket.Name())
		if err != nil {
			t.Fatal(err)
		}
		raw := ticket.Bytes()
		for what, dump := range map[string][]byte{"the record": stored.Sealed, "its meta": openedMeta(t, r, stored.Sealed, ticket.Name())} {
			for form, plain := range map[string][]byte{
				"the ticket": raw, "its beginning": raw[:8], "its hex": []byte(hex.EncodeToString(raw)), "its base64": []byte(base64.RawURLEncoding.EncodeToString(raw)),
				"the handle": []byte(handle), "the token": []byte(canary),
			} {
				if bytes.Contains(dump, plain) {
					t.Errorf("%s holds %s", what, form)
				}
			}
		}
	})
}

func openedMeta(t *testing.T, r *rig, sealed []byte, name tokens.Name) []byte {
	t.Helper()
	meta, err := tokens.OpenMeta(r.ring, sealed, name)
	if err != nil {
		t.Fatal(err)
	}
	return meta
}

func TestTheTicketGoesFromTheRecordWithItsSession(t *testing.T) {
	for how, end := range streamEnds {
		t.Run(how, func(t *testing.T) {
			jobBubble(t, func(t *testing.T, r *rig) {
				ticket := r.signIn(t, grant(1))
				before := len(r.record(t, ticket))
				r.job(t, ticket, time.Minute)
				kept := tokens.KeptTicket(r.ring, r.record(t, ticket), ticket.Name())
				if len(kept) == 0 || len(r.record(t, ticket)) <= before {
					t.Fatal("there is no ticket to begin with")
				}
				end(t, r, ticket)
				stored, err := r.store.Load(t.Context(), ticket.Name())
				if how == "signed out" {
					if !errors.Is(err, tokens.ErrAbsent) {
						t.Errorf("a record is left: %v", err)
					}
					return
				}
				if err != nil || len(tokens.KeptTicket(r.ring, stored.Sealed, ticket.Name())) != 0 || bytes.Contains(stored.Sealed, kept) {
					t.Errorf("the ticket is still there (%v)", err)
				}
			})
		})
	}
}

func (r *rig) record(t *testing.T, ticket tokens.Ticket) []byte {
	t.Helper()
	stored, err := r.store.Load(t.Context(), ticket.Name())
	if err != nil {
		t.Fatal(err)
	}
	return stored.Sealed
}

func TestRefreshesAndUsesKeepTheJobsOfARecord(t *testing.T) {
	jobBubble(t, func(t *testing.T, r *rig) {
		ticket := r.signIn(t, grant(1))
		r.job(t, ticket, 3*limits.Idle)
		kept := tokens.KeptTicket(r.ring, r.record(t, ticket), ticket.Name())
		r.clock.Advance(2 * time.Hour)
		r.provider.grants(dayLong(2))
		r.fresh(t, ticket).wantToken(t, 2)
		settle()
		r.clock.Advance(time.Hour)
		r.fresh(t, ticket).wantToken(t, 2)
		settle()
		if writes := r.store.count("replace"); writes < 3 {
			t.Fatalf("%d writes: nothing was refreshed or noted", writes)
		}
		if !bytes.Equal(kept, tokens.KeptTicket(r.ring, r.record(t, ticket), ticket.Name())) {
			t.Error("the ticket has changed")
		}
	})
}

func TestRingsThatShareAKeyAreToldApart(t *testing.T) {
	for name, test := range map[string]struct {
		a, b []byte
		want bool
	}{
		"the same": {[]byte{1}, []byte{1}, true}, "one of each": {[]byte{1, 2}, []byte{3, 2}, true}, "none": {[]byte{1, 2}, []byte{3, 4}, false},
	} {
		if got := newRing(t, test.a...).Shares(newRing(t, test.b...)); got != test.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}
