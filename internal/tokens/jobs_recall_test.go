package tokens_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/Eyevinn/osc-gateway/internal/tokens"
)

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
