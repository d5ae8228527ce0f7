package tokens

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// FuzzOpenRecord gives the sealer bytes from a store that was tampered with.
// Nothing it did not seal itself opens, and nothing makes it panic.
func FuzzOpenRecord(f *testing.F) {
	s := aSealer(f, 1)
	// The fuzzing processes must agree on what is genuine.
	s.random = rand.NewChaCha8([32]byte{1})
	whole, ended := s.sealed(f, aRecord()), s.sealed(f, endedRecord())
	lengthAt := 2 + keyIDSize + len(aSite) + nonceSize
	longer := bytes.Clone(whole)
	longer[lengthAt], longer[lengthAt+1] = 0xff, 0xff
	empty := bytes.Clone(whole)
	empty[lengthAt], empty[lengthAt+1] = 0, 0
	site := bytes.Clone(whole)
	site[1+keyIDSize] = maxSite
	for _, seed := range [][]byte{nil, {sealVersion}, whole, ended, whole[:lengthAt+2], longer, empty, site, whole[:len(whole)-1]} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		before := bytes.Clone(b)
		r, err := s.opened(b)
		if !bytes.Equal(b, before) {
			t.Fatal("opening changed the bytes")
		}
		if (r == nil) == (err == nil) {
			t.Fatalf("record %v and error %v", r, err)
		}
		// What follows an ended record is not read.
		if err == nil && !bytes.Equal(b, whole) && !bytes.HasPrefix(b, ended) {
			t.Fatalf("a forgery opens: %x", b)
		}
		if parts, err := s.split(b); err == nil {
			_, _ = parts.openMeta(aTicket(1).Name())
		}
	})
}

// FuzzCodec decodes anything: what is taken must mean the same once written
// again, and nothing panics.
func FuzzCodec(f *testing.F) {
	m, tk, job := aMeta(), someTokens(), withJobs(aMeta(), "the sealed ticket")
	for _, seed := range [][]byte{
		nil, {0}, encodeMeta(&m), encodeMeta(&job), encodeTokens(&tk), encodeMeta(&meta{ended: EndExpired}), encodeTokens(&tokens{}),
		{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1}, {0x80, 0, 0, 0, 0, 0, 0, 0},
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if m, err := decodeMeta(b); err == nil {
			if again, err := decodeMeta(encodeMeta(&m)); err != nil || !sameMeta(again, m) {
				t.Fatalf("meta %+v came back as %+v (%v)", m, again, err)
			}
		}
		if tk, err := decodeTokens(b); err == nil {
			if again, err := decodeTokens(encodeTokens(&tk)); err != nil || !sameTokens(again, tk) {
				t.Fatalf("tokens did not come back (%v)", err)
			}
		}
	})
}

// FuzzJobHandle gives the vault handles from anybody. Those it made open to what
// they were made for; no other opens, and nothing panics.
func FuzzJobHandle(f *testing.F) {
	v := aJobVault(f, 1)
	genuine := map[string]string{} // to services
	for _, service := range []string{"", "eyevinn-intercom-manager"} {
		handle := aHandle(f, v, service, time.Hour)
		genuine[handle] = service
		f.Add(handle)
		f.Add(handle[:len(handle)-1])
		f.Add(handle + "A")
	}
	f.Add(aHandle(f, v, "", -time.Hour))
	f.Add(aHandle(f, aJobVault(f, 2), "", time.Hour))
	for _, seed := range []string{"", "oscjob1.", "oscjob1.AAAA", "oscjob2." + strings.Repeat("A", 200), "oscjob1." + strings.Repeat("A", 2000)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, handle string) {
		job, err := v.OpenJob(handle)
		service, ours := genuine[handle]
		if ours != (err == nil) {
			t.Fatalf("%q: ours is %t, error %v", handle, ours, err)
		}
		if ours && (job.Service != service || job.Site != aSite || job.Ticket.Name() != aTicket(1).Name()) {
			t.Fatalf("%q opens to %+v", handle, job)
		}
		if !ours && !job.Ticket.IsZero() {
			t.Fatalf("%q gives a ticket away", handle)
		}
	})
}
