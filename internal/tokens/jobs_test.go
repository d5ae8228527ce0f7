package tokens_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
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

func wantNoHandle(t *testing.T, v *tokens.Vault, handle string, why string) {
	t.Helper()
	if got, err := v.OpenJob(handle); !errors.Is(err, tokens.ErrAbsent) || !got.Ticket.IsZero() || got.Site != "" {
		t.Errorf("%s: opens to %v, error %v", why, got, err)
	}
}

func wantExpired(t *testing.T, v *tokens.Vault, handle string) {
	t.Helper()
	got, err := v.OpenJob(handle)
	if (answer{nil, err}).wantEnded(t, tokens.EndExpired); !got.Ticket.IsZero() {
		t.Error("it opens all the same")
	}
}

func TestAHandleOpensItsSession(t *testing.T) {
	jobBubble(t, func(t *testing.T, r *rig) {
		ticket := r.signIn(t, dayLong(1))
		for _, service := range []string{jobService, ""} {
			handle, err := r.Job(t.Context(), site, ticket, service, jobLife)
			if err != nil {
				t.Fatal(err)
			}
			got, err := r.replica().OpenJob(handle.Reveal()) // any replica, without being told
			if err != nil || got.Site != site || got.Service != service || !bytes.Equal(got.Ticket.Bytes(), ticket.Bytes()) {
				t.Fatalf("it opens to %+v, error %v", got, err)
			}
			if session, err := r.Lasting(t.Context(), got.Site, got.Ticket); err != nil || session.User != "ada" {
				t.Errorf("Lasting: %v, %v", session, err)
			}
		}
	})
}

func TestAHandleIsGoodForItsLifeAndNoLongerThanItsSession(t *testing.T) {
	for name, test := range map[string]struct{ life, good time.Duration }{
		"its life":                   {jobLife, jobLife},
		"a moment":                   {time.Millisecond, time.Millisecond},
		"beyond the session":         {2 * limits.Lifetime, limits.Lifetime - time.Hour},
		"as long as the session has": {limits.Lifetime - time.Hour, limits.Lifetime - time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			jobBubble(t, func(t *testing.T, r *rig) {
				ticket := r.signIn(t, dayLong(1))
				r.clock.Advance(time.Hour)
				handle := r.job(t, ticket, test.life)
				r.clock.Advance(test.good - time.Millisecond)
				if _, err := r.OpenJob(handle); err != nil {
					t.Fatalf("before its end: %v", err)
				}
				r.clock.Advance(time.Millisecond)
				wantExpired(t, r.Vault, handle)
			})
		})
	}
}

func TestWhatIsNoHandleOpensNothing(t *testing.T) {
	jobBubble(t, func(t *testing.T, r *rig) {
		ticket := r.signIn(t, dayLong(1))
		handle := r.job(t, ticket, jobLife)
		encoded := strings.TrimPrefix(handle, "oscjob1.")
		sealed, err := base64.RawURLEncoding.DecodeString(encoded)
		if err != nil || encoded == handle {
			t.Fatalf("%s: %v", handle, err)
		}
		stored, err := r.store.Load(t.Context(), ticket.Name())
		if err != nil {
			t.Fatal(err)
		}
		for why, bad := range map[string]string{
			"nothing": "", "the prefix alone": "oscjob1.", "no prefix": encoded, "another version": "oscjob2." + encoded,
			"another case": "OSCJOB1." + encoded, "a space before": " " + handle, "a space after": handle + " ",
			"padding": handle + "=", "twice": handle + handle, "not base64": "oscjob1.%%%%", "a line end inside": handle[:30] + "\n" + handle[30:],
			"a byte more": "oscjob1." + base64.RawURLEncoding.EncodeToString(append(bytes.Clone(sealed), 0)),
			"of any size": "oscjob1." + strings.Repeat("A", 1<<20), "the ticket": base64.RawURLEncoding.EncodeToString(ticket.Bytes()),
			"the ticket as a handle": "oscjob1." + base64.RawURLEncoding.EncodeToString(ticket.Bytes()),
			"the record":             "oscjob1." + base64.RawURLEncoding.EncodeToString(stored.Sealed),
			"the record from its id": "oscjob1." + base64.RawURLEncoding.EncodeToString(stored.Sealed[1:]),
		} {
			wantNoHandle(t, r.Vault, bad, why)
		}
		for length := range handle {
			wantNoHandle(t, r.Vault, handle[:length], fmt.Sprint("the first ", length, " bytes"))
		}
		for at := range sealed {
			for bit := range 8 {
				flipped := bytes.Clone(sealed)
				flipped[at] ^= 1 << bit
				wantNoHandle(t, r.Vault, "oscjob1."+base64.RawURLEncoding.EncodeToString(flipped), fmt.Sprintf("bit %d of byte %d", bit, at))
			}
		}
	})
}

// The last character of base64 may hold bits that are of no byte.
func TestAHandleHasOneSpelling(t *testing.T) {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	jobBubble(t, func(t *testing.T, r *rig) {
		ticket := r.signIn(t, dayLong(1))
		for _, service := range []string{"a", "ab", "abc"} {
			handle, err := r.Job(t.Context(), site, ticket, service, jobLife)
			if err != nil {
				t.Fatal(err)
			}
			whole, opens := handle.Reveal(), 0
			for _, last := range alphabet {
				if _, err := r.OpenJob(whole[:len(whole)-1] + string(last)); err == nil {
					opens++
				}
			}
			if opens != 1 {
				t.Errorf("%d spellings open", opens)
			}
		}
	})
}

func TestNoHandleIsLongerThanAHeaderFieldIsRead(t *testing.T) {
	jobBubble(t, func(t *testing.T, r *rig) {
		handle, err := r.Job(t.Context(), site, r.signIn(t, dayLong(1)), strings.Repeat("s", 1024), jobLife)
		if err != nil {
			t.Fatal(err)
		}
		wantNoHandle(t, r.Vault, handle.Reveal(), "longer than 1 KiB")
	})
}

func TestAHandleOpensWithTheMasterKeysAlone(t *testing.T) {
	jobBubble(t, func(t *testing.T, r *rig) {
		handle := r.job(t, r.signIn(t, dayLong(1)), jobLife)
		r.rotate(t, 2, 1)
		if _, err := r.OpenJob(handle); err != nil {
			t.Errorf("with the key among others: %v", err)
		}
		r.rotate(t, 2)
		wantNoHandle(t, r.Vault, handle, "with the key gone")
		r.Adopt(tokens.Policy{Limits: limits, Refresher: r.provider, Ring: jobKeys(t, 1)})
		wantNoHandle(t, r.Vault, handle, "with the job key as a master key")
	})
}

func TestAHandleIsNotPrinted(t *testing.T) {
	jobBubble(t, func(t *testing.T, r *rig) {
		ticket := r.signIn(t, dayLong(1))
		handle, err := r.Job(t.Context(), site, ticket, jobService, jobLife)
		if err != nil {
			t.Fatal(err)
		}
		got, err := r.OpenJob(handle.Reveal())
		if err != nil {
			t.Fatal(err)
		}
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			shown := fmt.Sprintf(verb, handle) + fmt.Sprintf(verb, got) + fmt.Sprintf(verb, &got)
			hides(t, shown, []byte(handle.Reveal()))
			hides(t, shown, ticket.Bytes())
		}
		hides(t, r.log.String(), ticket.Bytes())
	})
}

func TestNoTwoHandlesAreAlike(t *testing.T) {
	jobBubble(t, func(t *testing.T, r *rig) {
		ticket := r.signIn(t, dayLong(1))
		if r.job(t, ticket, jobLife) == r.job(t, ticket, jobLife) {
			t.Error("two handles share a nonce")
		}
	})
}

func TestWithoutJobKeysThereAreNoHandles(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		ticket := r.signIn(t, dayLong(1))
		handle, err := r.Job(t.Context(), site, ticket, jobService, jobLife)
		if wantUnavailable(t, err, tokens.PartStore); !handle.IsEmpty() {
			t.Error("there is one all the same")
		}
		if writes := r.store.count("replace"); writes != 0 {
			t.Errorf("%d writes", writes)
		}
		r.KeepJobs(jobKeys(t, 1))
		r.job(t, ticket, jobLife)
	})
}

// Once there were job keys, and the configuration has dropped them.
func TestAHandleIsNotPromisedForLongerThanTheSessionIsKeptFor(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		ticket := r.signIn(t, dayLong(1))
		other := r.replica()
		other.KeepJobs(jobKeys(t, 1))
		other.job(t, ticket, jobLife)
		r.job(t, ticket, jobLife) // it is kept for that long already
		r.clock.Advance(jobLife)
		_, err := r.Job(t.Context(), site, ticket, jobService, jobLife)
		wantUnavailable(t, err, tokens.PartStore)
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

func TestASessionWhoseJobsAreOverIsNotRecalled(t *testing.T) {
	strictBubble(t, func(t *testing.T, r *rig, p *strict) {
		r.KeepJobs(jobKeys(t, 1))
		r.job(t, r.signIn(t, p.authorize("ada")), time.Minute)
		pass(2 * time.Minute)
		next := r.restart(t, p, limits.Idle, jobKeys(t, 1))
		if calls := keptFor(p, 5*time.Hour); calls != 0 {
			t.Errorf("%d calls", calls)
		}
		next.wantSessions(t, 0)
	})
}

// restart ends the process of a rig and begins another on its store.
func (r *rig) restart(t *testing.T, p *strict, idle time.Duration, jobs *tokens.KeyRing) *rig {
	t.Helper()
	if err := r.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	next := r.replica()
	next.limit(idle, limits.Lifetime, p)
	if jobs != nil {
		next.KeepJobs(jobs)
	}
	next.keepAlive(t)
	return next
}

func TestAfterARestartSessionsWithJobsAreKeptThoughNobodyComes(t *testing.T) {
	for name, test := range map[string]struct {
		jobs func(t *testing.T) *tokens.KeyRing
		kept bool
	}{
		"with the job key":              {func(t *testing.T) *tokens.KeyRing { return jobKeys(t, 1) }, true},
		"with the job key among others": {func(t *testing.T) *tokens.KeyRing { return jobKeys(t, 2, 1) }, true},
		"with another job key":          {func(t *testing.T) *tokens.KeyRing { return jobKeys(t, 2) }, false},
		"with the master key alone":     {func(t *testing.T) *tokens.KeyRing { return newRing(t, 1) }, false},
		"with no job key":               {func(*testing.T) *tokens.KeyRing { return nil }, false},
	} {
		t.Run(name, func(t *testing.T) {
			strictBubble(t, func(t *testing.T, r *rig, p *strict) {
				const idle, life = time.Hour, 8 * time.Hour
				r.limit(idle, limits.Lifetime, p)
				r.KeepJobs(jobKeys(t, 1))
				ticket := r.signIn(t, p.authorize("ada"))
				handle := r.job(t, ticket, life)
				without := r.signIn(t, p.authorize("bob")) // has no job
				pass(30 * time.Minute)
				next := r.restart(t, p, idle, test.jobs(t))
				if calls := keptFor(p, 7*time.Hour); (calls >= 7) != test.kept || (calls == 0) == test.kept {
					t.Errorf("%d calls in seven hours", calls)
				}
				next.fresh(t, without).wantEnded(t, tokens.EndExpired)
				if !test.kept {
					return
				}
				next.wantSessions(t, 1)
				job, err := next.OpenJob(handle)
				if err != nil {
					t.Fatal(err)
				}
				session, err := next.Lasting(t.Context(), job.Site, job.Ticket)
				p.wantServed(t, answer{session, err}, "ada")
				p.wantNoneTwice(t)
			})
		})
	}
}

// The job keys may come with a later configuration, or a store that was away.
func TestSessionsWithJobsAreLookedForWhenTheirKeysComeAndAgainAfterAFailure(t *testing.T) {
	for name, hinder := range map[string]func(t *testing.T, next *rig) (mend func()){
		"the keys come late": func(t *testing.T, next *rig) func() { return func() { next.KeepJobs(jobKeys(t, 1)) } },
		"the keys change": func(t *testing.T, next *rig) func() {
			next.KeepJobs(jobKeys(t, 2))
			return func() { next.KeepJobs(jobKeys(t, 1)) }
		},
		"the store is away": func(t *testing.T, next *rig) func() {
			next.store.put(down, everyOperation...)
			next.KeepJobs(jobKeys(t, 1))
			return next.store.heal
		},
		"the store loses its tongue": func(t *testing.T, next *rig) func() {
			next.store.put(down, "load")
			next.KeepJobs(jobKeys(t, 1))
			return next.store.heal
		},
	} {
		t.Run(name, func(t *testing.T) {
			strictBubble(t, func(t *testing.T, r *rig, p *strict) {
				r.KeepJobs(jobKeys(t, 1))
				r.job(t, r.signIn(t, p.authorize("ada")), jobLife)
				next := r.restart(t, p, limits.Idle, nil)
				mend := hinder(t, next)
				pass(time.Minute)
				next.wantSessions(t, 0)
				mend()
				if strings.HasPrefix(name, "the store") {
					pass(10 * time.Minute) // keys that come are a reason to look at once
				}
				settle()
				next.wantSessions(t, 1)
				if calls := keptFor(p, 3*time.Hour); calls < 3 || calls > 4 {
					t.Errorf("%d calls in three hours", calls)
				}
			})
		})
	}
}

func TestAReplicaTakesOverTheJobsOfOneThatDied(t *testing.T) {
	strictBubble(t, func(t *testing.T, r *rig, p *strict) {
		r.limit(time.Hour, limits.Lifetime, p)
		other := r.replica()
		for _, one := range []*rig{r, other} {
			one.limit(time.Hour, limits.Lifetime, p)
			one.KeepJobs(jobKeys(t, 1))
			one.keepAlive(t)
		}
		pass(time.Minute)
		ticket := r.signIn(t, p.authorize("ada"))
		handle := r.job(t, ticket, jobLife)
		pass(2 * time.Hour)
		if err := r.Close(t.Context()); err != nil { // it sees to nothing any more
			t.Fatal(err)
		}
		pass(jobLife - 2*time.Hour - time.Minute)
		if _, err := other.OpenJob(handle); err != nil {
			t.Fatal(err)
		}
		p.wantServed(t, other.fresh(t, ticket), "ada")
		p.wantNoneTwice(t)
	})
}

func TestTheStoreIsSearchedForJobsSeldom(t *testing.T) {
	strictBubble(t, func(t *testing.T, r *rig, p *strict) {
		r.KeepJobs(jobKeys(t, 1))
		r.keepAlive(t)
		for i := range 20 {
			r.job(t, r.signIn(t, p.authorize(fmt.Sprint("user", i))), jobLife)
		}
		keys := jobKeys(t, 1)
		for range 60 {
			pass(time.Minute)
			r.KeepJobs(keys) // as every request does
		}
		if searches := r.store.count("each"); searches < 6 || searches > 8 {
			t.Errorf("%d searches in an hour", searches)
		}
	})
	strictBubble(t, func(t *testing.T, r *rig, p *strict) {
		r.keepAlive(t)
		r.signIn(t, p.authorize("ada"))
		pass(time.Hour)
		if searches := r.store.count("each"); searches != 0 {
			t.Errorf("%d searches without job keys", searches)
		}
	})
}

func TestAClockThatIsSetBackDoesNotKeepJobsFromBeingLookedFor(t *testing.T) {
	strictBubble(t, func(t *testing.T, r *rig, _ *strict) {
		r.KeepJobs(jobKeys(t, 1))
		r.keepAlive(t)
		pass(time.Minute)
		r.clock.Advance(-5 * time.Hour)
		before := r.store.count("each")
		pass(time.Hour)
		if searches := r.store.count("each") - before; searches < 5 || searches > 8 {
			t.Errorf("%d searches in an hour", searches)
		}
	})
}

func TestASessionThatEndedIsNotRecalled(t *testing.T) {
	for how, end := range streamEnds {
		t.Run(how, func(t *testing.T) {
			runningBubble(t, func(t *testing.T, r *rig) {
				r.KeepJobs(jobKeys(t, 1))
				ticket := r.signIn(t, grant(1))
				r.job(t, ticket, jobLife)
				if how == "found idle by a request" {
					r.clock.Advance(jobLife + jobLife/20) // until then it is not idle
				}
				end(t, r, ticket)
				calls := len(r.provider.calls())
				next := r.replica()
				next.KeepJobs(jobKeys(t, 1))
				next.keepAlive(t)
				pass(time.Hour)
				next.wantSessions(t, 0)
				if len(next.provider.calls()) != 0 || len(r.provider.calls()) != calls {
					t.Error("it was refreshed")
				}
			})
		})
	}
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

func TestTheTicketMovesToTheNewestJobKeyAsItIsWritten(t *testing.T) {
	strictBubble(t, func(t *testing.T, r *rig, p *strict) {
		const idle = time.Hour
		r.limit(idle, limits.Lifetime, p)
		r.KeepJobs(jobKeys(t, 1))
		ticket := r.signIn(t, p.authorize("ada"))
		r.job(t, ticket, jobLife)
		r.KeepJobs(jobKeys(t, 2, 1))
		pass(jobLife/20 + time.Second)
		handle := r.job(t, ticket, jobLife)
		next := r.restart(t, p, idle, jobKeys(t, 2))
		if calls := keptFor(p, jobLife-time.Hour); calls < 8 {
			t.Errorf("%d calls", calls)
		}
		if _, err := next.OpenJob(handle); err != nil {
			t.Error(err)
		}
		p.wantServed(t, next.fresh(t, ticket), "ada")
	})
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

func TestAJobWithoutRandomnessIsNone(t *testing.T) {
	r := newRig(t, 0)
	ticket := r.signIn(t, dayLong(1))
	noEntropy := tokens.NewVault(tokens.VaultConfig{Store: r.store, Ring: r.ring, Now: r.clock.Now, Random: strings.NewReader("12345678")})
	noEntropy.Adopt(tokens.Policy{Limits: limits, Refresher: r.provider})
	noEntropy.KeepJobs(jobKeys(t, 1))
	if handle, err := noEntropy.Job(t.Context(), site, ticket, jobService, jobLife); err == nil || !handle.IsEmpty() {
		t.Errorf("a handle without randomness: %v", err)
	}
	r.KeepJobs(jobKeys(t, 1))
	r.job(t, ticket, jobLife) // now there is nothing to be written
	if handle, err := noEntropy.Job(t.Context(), site, ticket, jobService, jobLife); err == nil || !handle.IsEmpty() {
		t.Errorf("a handle without a nonce: %v", err)
	}
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
