package cookies

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gorilla/securecookie"
)

const (
	flowVersion = 1
	// FlowIDSize is the length of a flow's random id.
	FlowIDSize = 16
	// A browser keeps at most maxFlows attempts of a site, of at most
	// maxFlowBytes in all: many opened tabs must not end in headers too large.
	maxFlows     = 5
	maxFlowBytes = 8000
)

// Flow is one sign-in attempt, as the browser carries it: all the callback
// needs to know, sealed. Neither state nor verifier is in it.
type Flow struct {
	ID          []byte // random, FlowIDSize bytes
	KeyID       string // of the key that state and verifier are derived with
	ReturnTo    string // path and query
	RedirectURI string
	ClientID    string
	Started     time.Time
	// Again says that this attempt was made because another one failed; it is
	// not tried a third time.
	Again bool
	// OtherHost and OtherScheme say that the page it began at was asked for on
	// another host, or by another scheme, than the callback's.
	OtherHost, OtherScheme bool
	// Resume says that the browser's tab keeps a form, to come back for.
	Resume bool
}

// SetFlow gives the browser a flow under its state, and takes away what it
// then has too much of, the oldest first. A return path too long for a cookie
// is given up for the start page, its fragment before that.
func (j *Jar) SetFlow(h http.Header, r *http.Request, site Site, state string, flow Flow) error {
	name := j.flowName(state, site)
	path, _, _ := strings.Cut(flow.ReturnTo, "#")
	var encoded string
	var err error
	for _, flow.ReturnTo = range []string{flow.ReturnTo, path, "/"} {
		if encoded, err = j.encodeFlow(name, site, flow); err == nil {
			break
		}
	}
	if err != nil {
		return err
	}
	j.dropOldest(h, r, site, len(name)+len(encoded), strings.TrimPrefix(flow.RedirectURI, site.Origin))
	set(h, j.base(j.cfg.flowPrefix()+flowSuffix(state), site, http.SameSiteLaxMode), encoded, j.cfg.FlowAge)
	return nil
}

func (j *Jar) encodeFlow(name string, site Site, flow Flow) (string, error) {
	return securecookie.EncodeMulti(bound(name, site), flow.encode(), j.flow[0])
}

// Flow returns the flow a state belongs to, if this browser began it and it is
// not too old.
func (j *Jar) Flow(r *http.Request, site Site, state string) (Flow, bool) {
	name := j.flowName(state, site)
	value, count := sent(r, name)
	if count != 1 {
		return Flow{}, false
	}
	return j.decodeFlow(name, value, site)
}

func (j *Jar) decodeFlow(name, value string, site Site) (Flow, bool) {
	var plain []byte
	if err := securecookie.DecodeMulti(bound(name, site), value, &plain, j.flow...); err != nil {
		return Flow{}, false
	}
	flow, err := decodeFlow(plain)
	return flow, err == nil
}

// HasFlow tells whether something of the name of a state's flow came along, be
// it worth anything or not.
func (j *Jar) HasFlow(r *http.Request, site Site, state string) bool {
	_, count := sent(r, j.flowName(state, site))
	return count > 0
}

// ClearFlow takes a flow away: it is finished, one way or another.
func (j *Jar) ClearFlow(h http.Header, site Site, state string) {
	set(h, j.base(j.cfg.flowPrefix()+flowSuffix(state), site, http.SameSiteLaxMode), "", 0)
}

func (j *Jar) flowName(state string, site Site) string {
	return prefixed(j.cfg.flowPrefix()+flowSuffix(state), site)
}

// flowSuffix tells the flows of a browser apart. It is a hash: a cookie's name
// shows in more places than its value.
func flowSuffix(state string) string {
	sum := sha256.Sum256([]byte(state))
	return hex.EncodeToString(sum[:4])
}

// dropOldest deletes flows of this browser until one of size more bytes fits, and
// the fragments that wait for them at the callback's path: only there do browsers
// show those, so that nobody else could see how many there are.
func (j *Jar) dropOldest(h http.Header, r *http.Request, site Site, size int, callback string) {
	type pending struct {
		name    string
		started time.Time
		size    int
	}
	var flows []pending
	prefix := prefixed(j.cfg.flowPrefix(), site)
	for _, cookie := range r.Cookies() {
		if strings.HasPrefix(cookie.Name, prefix) {
			flow, _ := j.decodeFlow(cookie.Name, cookie.Value, site) // one that does not open is the oldest
			flows = append(flows, pending{cookie.Name, flow.Started, len(cookie.Name) + len(cookie.Value)})
			size += flows[len(flows)-1].size
		}
	}
	slices.SortFunc(flows, func(a, b pending) int { return a.started.Compare(b.started) })
	for len(flows) >= maxFlows || size > maxFlowBytes && len(flows) > 0 {
		set(h, j.base(strings.TrimPrefix(flows[0].name, hostPrefix), site, http.SameSiteLaxMode), "", 0)
		j.clearFragment(h, site, strings.TrimPrefix(flows[0].name, prefix), callback)
		size -= flows[0].size
		flows = flows[1:]
	}
}

// flags are a flow's, in the order of their bits.
func (f *Flow) flags() []*bool { return []*bool{&f.Again, &f.OtherHost, &f.OtherScheme, &f.Resume} }

func (f Flow) encode() []byte {
	b := []byte{flowVersion, 0}
	for flag, set := range f.flags() {
		if *set {
			b[1] |= 1 << flag
		}
	}
	b = binary.AppendVarint(b, f.Started.UnixMilli())
	for _, part := range []string{string(f.ID), f.KeyID, f.ReturnTo, f.RedirectURI, f.ClientID} {
		b = append(binary.AppendUvarint(b, uint64(len(part))), part...)
	}
	return b
}

var errFlow = errors.New("malformed flow")

func decodeFlow(b []byte) (Flow, error) {
	if len(b) < 2 || b[0] != flowVersion {
		return Flow{}, errFlow
	}
	var flow Flow
	for flag, set := range flow.flags() {
		*set = b[1]&(1<<flag) != 0
	}
	started, n := binary.Varint(b[2:])
	if n <= 0 {
		return Flow{}, errFlow
	}
	flow.Started, b = time.UnixMilli(started), b[2+n:]
	var id string
	for _, part := range []*string{&id, &flow.KeyID, &flow.ReturnTo, &flow.RedirectURI, &flow.ClientID} {
		length, n := binary.Uvarint(b)
		if n <= 0 || length > uint64(len(b)-n) {
			return Flow{}, errFlow
		}
		*part, b = string(b[n:n+int(length)]), b[n+int(length):]
	}
	flow.ID = []byte(id)
	if len(b) > 0 || len(flow.ID) != FlowIDSize {
		return Flow{}, errFlow
	}
	return flow, nil
}
