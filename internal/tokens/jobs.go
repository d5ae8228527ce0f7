package tokens

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"strings"
	"time"

	"github.com/Eyevinn/osc-gateway/internal/secret"
)

// A job is work an upstream goes on with when the request is answered and the
// browser closed. Its handle names a session and opens it: it holds the ticket,
// sealed with the master key, so it is worth nothing without the gateway, and
// nothing where a cookie is asked for.
//
// So that the session is kept fresh meanwhile, also by a process that has never
// seen its cookie, its record holds the ticket too, sealed with the ring of job
// keys. That ring is kept apart from the store and from the master key: a dump
// of the store together with the master key opens no token all the same.

const (
	handlePrefix = "oscjob1."
	maxHandle    = 1024
	handleLabel  = "osc-gw/1 job handle"
	// jobSlack is by how much more than asked for a session is said to be kept, so
	// that not every request has to write it down: a twentieth.
	jobSlack = 20
)

// errNoJobs says that there are no keys to keep tickets with.
var errNoJobs = errors.New("no job keys")

// KeepJobs gives the vault the keys to keep the tickets of sessions with jobs.
func (v *Vault) KeepJobs(ring *KeyRing) {
	if v.jobRing.Swap(ring) != ring {
		v.keeper.poke()
	}
}

// Job makes a handle for a session that is good for life from now, or until the
// session's absolute end. With it, OpenJob gives the ticket back, and the service
// whose tokens it is for. As long as it is good the session is kept fresh. Errors
// are those of Fresh.
func (v *Vault) Job(ctx context.Context, site string, ticket Ticket, service string, life time.Duration) (secret.String, error) {
	h := handle{ticket: ticket, site: site}
	now := v.now()
	r, err := v.load(ctx, h)
	if err != nil {
		return secret.String{}, err
	}
	until := earliest(now.Add(life), r.expires) // which never moves
	if r.jobs.until.Before(until) {
		r, err = v.update(ctx, h, func(r *record) bool { return v.keepForJobs(h, r, now, life) })
	}
	switch {
	case err != nil:
		return secret.String{}, err
	case r.ended != "":
		return secret.String{}, &Ended{Reason: r.ended, User: r.user}
	case r.jobs.until.Before(until):
		return secret.String{}, &Unavailable{Part: PartStore, Err: errNoJobs}
	}
	v.keep(h, r, now)
	return v.sealHandle(h, service, until)
}

// keepForJobs writes into a record until when it is to be kept, and what with.
func (v *Vault) keepForJobs(h handle, r *record, now time.Time, life time.Duration) bool {
	until := earliest(now.Add(life+life/jobSlack), r.expires)
	ring := v.jobRing.Load()
	if r.ended != "" || ring == nil || !r.jobs.until.Before(earliest(now.Add(life), r.expires)) {
		return false
	}
	key, ticket := ring.newest(), h.ticket.Bytes()
	defer clear(ticket)
	sealed, err := appendSealed(v.random, key.id[:], key.kept, ticket, keptData(h.name(), h.site))
	if err != nil {
		return false
	}
	r.jobs = jobs{until: until, ticket: sealed}
	return true
}

func keptData(name Name, site string) []byte { return append(name[:], site...) }

func earliest(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func (v *Vault) sealHandle(h handle, service string, until time.Time) (secret.String, error) {
	key := v.ring.Load().newest()
	plain := binary.AppendVarint(h.ticket.Bytes(), until.UnixMilli())
	plain = appendString(appendString(plain, h.site), service)
	defer clear(plain)
	sealed, err := appendSealed(v.random, key.id[:], key.job, plain, []byte(handleLabel))
	if err != nil {
		return secret.String{}, err
	}
	return secret.New(handlePrefix + base64.RawURLEncoding.EncodeToString(sealed)), nil
}

// JobTicket is what a handle opens.
type JobTicket struct {
	Site    string
	Ticket  Ticket
	Service string // whose tokens it is for; "" for the user's own
}

// OpenJob opens a handle. ErrAbsent where it is none, *Ended where its time is up.
func (v *Vault) OpenJob(handle string) (JobTicket, error) {
	encoded, found := strings.CutPrefix(handle, handlePrefix)
	if !found || len(handle) > maxHandle || strings.ContainsAny(encoded, "\r\n") { // base64 would skip these
		return JobTicket{}, ErrAbsent
	}
	sealed, err := base64.RawURLEncoding.Strict().DecodeString(encoded)
	if err != nil || len(sealed) < keyIDSize {
		return JobTicket{}, ErrAbsent
	}
	key := v.ring.Load().find(sealed[:keyIDSize])
	if key == nil {
		return JobTicket{}, ErrAbsent
	}
	plain, err := openSealed(key.job, sealed[keyIDSize:], []byte(handleLabel))
	if err != nil || len(plain) < TicketSize {
		return JobTicket{}, ErrAbsent
	}
	defer clear(plain)
	ticket, _ := TicketFrom(plain[:TicketSize])
	d := decoder{rest: plain[TicketSize:]}
	until := d.time()
	job := JobTicket{Ticket: ticket, Site: d.string(), Service: d.string()}
	switch {
	case d.end() != nil:
		return JobTicket{}, ErrAbsent
	case !v.now().Before(until):
		return JobTicket{}, &Ended{Reason: EndExpired}
	}
	return job, nil
}

// recallEvery is how often the store is searched for sessions with jobs that
// this process does not know: after a restart, or when another replica died.
const recallEvery = 10 * time.Minute

// recall is when that was done last, and with which keys. Only the keeper's loop
// touches it.
type recall struct {
	ring *KeyRing
	last time.Time
}

// recallWhenDue searches the store behind the keeper's loop.
func (v *Vault) recallWhenDue(now time.Time) {
	ring := v.jobRing.Load()
	done := &v.keeper.recall
	since := now.Sub(done.last)
	if ring == nil || done.ring == ring && since >= 0 && since < recallEvery { // less than 0: the clock was set back
		return
	}
	*done = recall{ring, now}
	v.pending.begin()
	go func() {
		defer v.pending.end()
		if err := v.recallJobs(context.Background()); err != nil {
			v.log.Warn("sessions with jobs could not all be looked up; trying again later", "error", err)
		}
	}()
}

// recallJobs has the keeper look after every session with jobs there is.
func (v *Vault) recallJobs(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, recallEvery/2)
	defer cancel()
	seal := v.sealer()
	return storeError(v.store.Each(ctx, func(name Name, stored Record) error {
		parts, err := seal.split(stored.Sealed)
		if err != nil {
			return nil // not a session
		}
		r, err := parts.openMeta(name)
		if err != nil || r.ended != "" || !v.now().Before(r.jobs.until) || v.keeper.knows(name) {
			return nil
		}
		if ticket, ok := v.keptTicket(r, name, parts.site); ok {
			v.recallJob(ctx, handle{ticket: ticket, site: parts.site}, r.lastUsed)
		}
		return nil
	}))
}

func (v *Vault) recallJob(ctx context.Context, h handle, lastUsed time.Time) {
	r, err := v.load(ctx, h)
	if err == nil && r.ended == "" {
		v.keep(h, r, lastUsed)
	}
}

func (v *Vault) keptTicket(r *record, name Name, site string) (Ticket, bool) {
	if len(r.jobs.ticket) < keyIDSize {
		return Ticket{}, false
	}
	key := v.jobRing.Load().find(r.jobs.ticket[:keyIDSize])
	if key == nil {
		return Ticket{}, false
	}
	plain, err := openSealed(key.kept, r.jobs.ticket[keyIDSize:], keptData(name, site))
	if err != nil {
		return Ticket{}, false
	}
	defer clear(plain)
	return TicketFrom(plain)
}

// knows tells whether the keeper looks after a session.
func (k *keeper) knows(name Name) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.known[name.half()] != nil
}
