package tokens

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"testing"
	"time"
)

// aJobVault is a vault that makes handles with a key by number. All of them draw
// the same randomness, so that fuzzing processes agree on what is genuine.
func aJobVault(t testing.TB, number byte) *Vault {
	t.Helper()
	return NewVault(VaultConfig{
		Ring: aSealer(t, number).ring, Random: rand.NewChaCha8([32]byte{number}), Now: func() time.Time { return moment(0) },
	})
}

// aHandle is a handle for ticket 1, good for so long.
func aHandle(t testing.TB, v *Vault, service string, life time.Duration) string {
	t.Helper()
	handle, err := v.sealHandle(handle{ticket: aTicket(1), site: aSite}, service, v.now().Add(life))
	if err != nil {
		t.Fatal(err)
	}
	return handle.Reveal()
}

// keptIn is a record that a ticket is kept in for a job, by the job key 9.
func keptIn(t *testing.T, v *Vault) *record {
	t.Helper()
	v.KeepJobs(aSealer(t, 9).ring)
	r := aRecord()
	r.expires = v.now().Add(24 * time.Hour)
	if !v.keepForJobs(handle{ticket: aTicket(1), site: aSite}, r, v.now(), time.Hour) {
		t.Fatal("the ticket is not kept")
	}
	return r
}

func TestAKeptTicketOpensWithTheJobKeysAndForItsRecordAlone(t *testing.T) {
	v := aJobVault(t, 1)
	r, name := keptIn(t, v), aTicket(1).Name()
	flipped := *r
	flipped.jobs.ticket = bytes.Clone(r.jobs.ticket)
	flipped.jobs.ticket[len(flipped.jobs.ticket)-1] ^= 1
	cut := *r
	cut.jobs.ticket = r.jobs.ticket[:keyIDSize]
	short := *r
	short.jobs.ticket = r.jobs.ticket[:keyIDSize-1]
	none := *r
	none.jobs = jobs{}
	for what, test := range map[string]struct {
		ring byte
		r    *record
		name Name
		site string
		want bool
	}{
		"as it is":                {9, r, name, aSite, true},
		"with the master keys":    {1, r, name, aSite, false},
		"with other job keys":     {8, r, name, aSite, false},
		"of another session":      {9, r, aTicket(2).Name(), aSite, false},
		"of another site":         {9, r, name, "other.example.com", false},
		"changed":                 {9, &flipped, name, aSite, false},
		"cut after the key's id":  {9, &cut, name, aSite, false},
		"cut within the key's id": {9, &short, name, aSite, false},
		"none":                    {9, &none, name, aSite, false},
	} {
		v.KeepJobs(aSealer(t, test.ring).ring)
		got, ok := v.keptTicket(test.r, test.name, test.site)
		if ok != test.want || ok && got.Name() != name || !ok && !got.IsZero() {
			t.Errorf("%s: opens %t", what, ok)
		}
	}
}

// Neither the key that seals handles nor any other that comes of the master key
// opens what only the job keys may.
func TestAMasterKeyOpensNoKeptTicket(t *testing.T) {
	v := aJobVault(t, 1)
	r := keptIn(t, v)
	if bytes.Contains(r.jobs.ticket, aTicket(1).Bytes()[:8]) {
		t.Error("the ticket is kept in clear")
	}
	key, data := v.ring.Load().newest(), keptData(aTicket(1).Name(), aSite)
	record, err := key.recordAEAD(aTicket(0))
	if err != nil {
		t.Fatal(err)
	}
	for purpose, aead := range map[string]interface {
		Open(dst, nonce, ciphertext, additional []byte) ([]byte, error)
	}{"meta": key.meta, "sealed": key.sealed, "job": key.job, "kept": key.kept, "record": record} {
		sealed := r.jobs.ticket[keyIDSize:]
		if _, err := aead.Open(nil, sealed[:nonceSize], sealed[nonceSize:], data); err == nil {
			t.Errorf("the master key's %s opens it", purpose)
		}
	}
}

func TestAHandleOfAnotherMakeOpensNothing(t *testing.T) {
	v := aJobVault(t, 1)
	key := v.ring.Load().newest()
	whole := binary.AppendVarint(aTicket(1).Bytes(), moment(60).UnixMilli())
	whole = appendString(appendString(whole, aSite), "")
	for length := range len(whole) + 2 {
		plain := append(bytes.Clone(whole), 0)[:min(length, len(whole)+1)]
		sealed := append(bytes.Clone(key.id[:]), make([]byte, nonceSize)...)
		sealed = key.job.Seal(sealed, make([]byte, nonceSize), plain, []byte(handleLabel))
		_, err := v.OpenJob(handlePrefix + base64.RawURLEncoding.EncodeToString(sealed))
		if is := length == len(whole); is != (err == nil) || !is && !errors.Is(err, ErrAbsent) {
			t.Errorf("%d of %d bytes: error %v", length, len(whole), err)
		}
	}
}
