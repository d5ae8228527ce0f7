package tokens_test

import (
	"bytes"
	"errors"
	"testing"
	"testing/iotest"
	"time"

	"github.com/Eyevinn/osc-gateway/internal/tokens"
)

func (r *rig) wantNote(t *testing.T, kind, id, want string, generation uint64) {
	t.Helper()
	value, got, err := r.Notes(kind).Read(t.Context(), id)
	if err != nil || string(value) != want || got != generation {
		t.Fatalf("Read = %q, generation %d (%v), want %q, %d", value, got, err, want, generation)
	}
}

func (r *rig) wantNoNote(t *testing.T, kind, id string) {
	t.Helper()
	if value, _, err := r.Notes(kind).Read(t.Context(), id); !errors.Is(err, tokens.ErrAbsent) || value != nil {
		t.Fatalf("Read %s %q = %q (%v), want ErrAbsent", kind, id, value, err)
	}
}

func (r *rig) write(t *testing.T, kind, id, value string, generation uint64) {
	t.Helper()
	if err := r.Notes(kind).Write(t.Context(), id, []byte(value), generation, r.clock.Now().Add(time.Hour)); err != nil {
		t.Fatalf("Write: %v", err)
	}
}

func TestANoteIsReadByEveryReplica(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.wantNoNote(t, "client", "a")
		r.write(t, "client", "a", canary+"one", 0)
		r.wantNote(t, "client", "a", canary+"one", 1)
		r.replica().wantNote(t, "client", "a", canary+"one", 1)
		r.write(t, "client", "a", "", 1)
		r.wantNote(t, "client", "a", "", 2)
		for _, other := range [][2]string{{"client", "b"}, {"client", ""}, {"", "a"}, {"clien", "ta"}, {"client\x00a", ""}} {
			r.wantNoNote(t, other[0], other[1])
		}
	})
}

func TestANoteIsWrittenByOneOfMany(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.write(t, "client", "a", "one", 0)
		other := r.replica()
		later := r.clock.Now().Add(time.Hour)
		for name, generation := range map[string]uint64{"once more from nothing": 0, "of a later generation": 5} {
			if err := other.Notes("client").Write(t.Context(), "a", []byte("two"), generation, later); !errors.Is(err, tokens.ErrConflict) {
				t.Errorf("%s: %v, want ErrConflict", name, err)
			}
		}
		if err := other.Notes("client").Write(t.Context(), "absent", []byte("two"), 3, later); !errors.Is(err, tokens.ErrConflict) {
			t.Errorf("in place of nothing: %v, want ErrConflict", err)
		}
		r.wantNote(t, "client", "a", "one", 1)
	})
}

func TestANoteIsSealedForItsKindIDAndKey(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.write(t, "client", "a", canary+"value", 0)
		noted := r.names(t)[0]
		sealed, err := r.store.Load(t.Context(), noted)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(sealed.Sealed, []byte(canary)) {
			t.Error("the note shows in the store")
		}
		// The same bytes elsewhere: as another note, and as a session.
		r.write(t, "client", "b", "b", 0)
		for _, name := range r.names(t) {
			if name != noted {
				moved := sealed
				moved.Generation = 2
				if err := r.store.Replace(t.Context(), name, moved); err != nil {
					t.Fatal(err)
				}
			}
		}
		r.wantNoNote(t, "client", "b")
		ticket := r.signIn(t, grant(1))
		sealed.Generation = 2
		if err := r.store.Replace(t.Context(), ticket.Name(), sealed); err != nil {
			t.Fatal(err)
		}
		r.fresh(t, ticket).wantAbsent(t)
		r.wantNote(t, "client", "a", canary+"value", 1)
		r.Adopt(tokens.Policy{Limits: limits, Refresher: r.provider, Ring: newRing(t, 2)})
		r.wantNoNote(t, "client", "a")
	})
}

// names are those of all records in the store.
func (r *rig) names(t *testing.T) (names []tokens.Name) {
	t.Helper()
	if err := r.store.Each(t.Context(), func(name tokens.Name, _ tokens.Record) error {
		names = append(names, name)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return names
}

func TestASessionIsNoNoteAndIsDamagedByNone(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		ticket := r.signIn(t, grant(1))
		session, err := r.store.Load(t.Context(), ticket.Name())
		if err != nil {
			t.Fatal(err)
		}
		r.write(t, "client", "a", "note", 0)
		for _, name := range r.names(t) {
			if name != ticket.Name() {
				session.Generation = 2
				if err := r.store.Replace(t.Context(), name, session); err != nil {
					t.Fatal(err)
				}
			}
		}
		_, generation, err := r.Notes("client").Read(t.Context(), "a")
		if !errors.Is(err, tokens.ErrAbsent) {
			t.Fatalf("a session was read as a note: %v", err)
		}
		r.write(t, "client", "a", "again", generation) // what does not open can be replaced
		r.wantNote(t, "client", "a", "again", 3)
		r.fresh(t, ticket).wantToken(t, 1)
	})
}

func TestANoteSurvivesANewKeyAndEndsWithItsTime(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.write(t, "client", "a", "one", 0)
		r.Adopt(tokens.Policy{Limits: limits, Refresher: r.provider, Ring: newRing(t, 2, 1)})
		r.wantNote(t, "client", "a", "one", 1)
		r.write(t, "client", "a", "two", 1)
		r.Adopt(tokens.Policy{Limits: limits, Refresher: r.provider, Ring: newRing(t, 2)})
		r.wantNote(t, "client", "a", "two", 2)
		r.clock.Advance(time.Hour)
		r.wantNoNote(t, "client", "a")
	})
}

func TestAStoreThatIsAwayIsNoAbsentNote(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.write(t, "client", "a", "one", 0)
		r.store.put(down, everyOperation...)
		notes := r.Notes("client")
		_, _, err := notes.Read(t.Context(), "a")
		wantUnavailable(t, err, tokens.PartStore)
		wantUnavailable(t, notes.Write(t.Context(), "a", nil, 1, r.clock.Now()), tokens.PartStore)
		wantUnavailable(t, notes.Write(t.Context(), "b", nil, 0, r.clock.Now()), tokens.PartStore)
		wantUnavailable(t, notes.Lease(t.Context(), "a", time.Second), tokens.PartStore)
		notes.Release(t.Context(), "a")
		r.store.heal()
		r.wantNote(t, "client", "a", "one", 1)
	})
}

func TestANoteIsLeasedToOneReplica(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		mine, theirs := r.Notes("client"), r.replica().Notes("client")
		lease := func(n *tokens.Notes, id string, want error) {
			t.Helper()
			if err := n.Lease(t.Context(), id, 10*time.Second); !errors.Is(err, want) {
				t.Fatalf("Lease: %v, want %v", err, want)
			}
		}
		lease(mine, "a", nil)
		lease(mine, "a", nil)
		lease(theirs, "a", tokens.ErrHeld)
		lease(theirs, "b", nil)
		theirs.Release(t.Context(), "a")
		lease(theirs, "a", tokens.ErrHeld)
		mine.Release(t.Context(), "a")
		lease(theirs, "a", nil)
		r.clock.Advance(11 * time.Second)
		lease(mine, "a", nil)
	})
}

func TestNoNoteIsWrittenWithoutRandomness(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		v := tokens.NewVault(tokens.VaultConfig{Store: r.store, Ring: r.ring, Random: iotest.ErrReader(errDown)})
		if err := v.Notes("client").Write(t.Context(), "a", nil, 0, r.clock.Now().Add(time.Hour)); err == nil {
			t.Fatal("a note was sealed without a nonce")
		}
		r.wantNoNote(t, "client", "a")
	})
}
