package tokens

// What tests outside the package need of its inside.
const (
	LeaseTTL       = leaseTTL
	MaxKeeping     = maxKeeping
	MaxStreamLooks = maxStreamLooks
	MaxWatches     = maxWatches
	MaxUnread      = maxUnread
)

// LeaseName is the name of the lease on refreshing a session.
func LeaseName(name Name) Name { return leaseName(name) }

// KeyID tells which key a record was sealed with.
func KeyID(sealed []byte) string { return string(sealed[1 : 1+keyIDSize]) }

// OpenMeta is what somebody with the master keys reads of a record.
func OpenMeta(ring *KeyRing, sealed []byte, name Name) ([]byte, error) {
	seal := sealer{ring: ring}
	parts, err := seal.split(sealed)
	if err != nil {
		return nil, err
	}
	return parts.open(parts.key.meta, parts.meta, kindMeta, name)
}

// KeptTicket is the sealed ticket in a record; nothing where there is none.
func KeptTicket(ring *KeyRing, sealed []byte, name Name) []byte {
	plain, err := OpenMeta(ring, sealed, name)
	if err != nil {
		return nil
	}
	m, _ := decodeMeta(plain)
	return m.jobs.ticket
}
