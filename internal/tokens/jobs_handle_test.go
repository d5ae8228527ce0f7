package tokens_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/Eyevinn/osc-gateway/internal/tokens"
)

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
