package tokens

// What tests outside the package need of its inside.
const (
	LeaseTTL       = leaseTTL
	MaxKeeping     = maxKeeping
	MaxStreamLooks = maxStreamLooks
)

// LeaseName is the name of the lease on refreshing a session.
func LeaseName(name Name) Name { return leaseName(name) }

// KeyID tells which key a record was sealed with.
func KeyID(sealed []byte) string { return string(sealed[1 : 1+keyIDSize]) }
