package simulator

import (
	"maps"
	"slices"
)

// Knobs is everything about the simulator that can be turned, before it starts
// and while it runs. What nobody outside OSC knows is a knob, and so is every
// fault. The zero value of each field stands for its default; an empty string
// is the first value of its list.
//
// In JSON the names are snake_case, with the unit in the name.
type Knobs struct {
	Discovery    DiscoveryKnobs    `json:"discovery"`
	Registration RegistrationKnobs `json:"registration"`
	Authorize    AuthorizeKnobs    `json:"authorize"`
	Token        TokenKnobs        `json:"token"`
	PAT          PATKnobs          `json:"pat"`
	Platform     PlatformKnobs     `json:"platform"`
	// Faults are tried in order at each call; see Fault.
	Faults []Fault `json:"faults"`
}

// DiscoveryKnobs turn the RFC 8414 document.
type DiscoveryKnobs struct {
	// Mode is ok, 404, 500, html (200 with a page), wrong_issuer, extra_fields or slow.
	Mode string `json:"mode"`
	// SlowMS is how late a slow document is; default 5000.
	SlowMS int `json:"slow_ms"`
	// AdvertiseAuthMethods adds token_endpoint_auth_methods_supported.
	AdvertiseAuthMethods bool `json:"advertise_auth_methods"`
	// AdvertiseIss adds authorization_response_iss_parameter_supported (RFC 9207 §3).
	AdvertiseIss bool `json:"advertise_iss"`
}

// RegistrationKnobs turn dynamic client registration (RFC 7591).
type RegistrationKnobs struct {
	// Fault is none, 400 (invalid_redirect_uri), 403 (paid plan), 429, 500, html or hang.
	Fault string `json:"fault"`
	// RetryAfterSeconds goes with 429; default 30.
	RetryAfterSeconds int `json:"retry_after_seconds"`
	// ClientLifetimeSeconds ends a client that long after its registration; 0 is never.
	ClientLifetimeSeconds int `json:"client_lifetime_seconds"`
	// OmitExpiresAt leaves client_secret_expires_at out of the response.
	OmitExpiresAt bool `json:"omit_expires_at"`
	// ExpiredClientsRefresh lets an expired client still refresh what it has.
	ExpiredClientsRefresh bool `json:"expired_clients_refresh"`
	// EchoWrongRedirectURIs answers with redirect URIs nobody asked for.
	EchoWrongRedirectURIs bool `json:"echo_wrong_redirect_uris"`
	// RefusePublicClients refuses token_endpoint_auth_method none.
	RefusePublicClients bool `json:"refuse_public_clients"`
	// AllowHTTP accepts http redirect URIs that are not loopback.
	AllowHTTP bool `json:"allow_http"`
}

// AuthorizeKnobs turn the authorization endpoint.
type AuthorizeKnobs struct {
	// AutoUser signs in as this user without a form.
	AutoUser string `json:"auto_user"`
	// AutoApprove consents without a form, for AutoTenant or the first workspace.
	AutoApprove bool   `json:"auto_approve"`
	AutoTenant  string `json:"auto_tenant"`
	// RememberConsent asks each user only once per client.
	RememberConsent bool `json:"remember_consent"`
	// Deny answers access_denied instead of asking.
	Deny bool `json:"deny"`
	// Iss of the response (RFC 9207) is off, on or wrong.
	Iss string `json:"iss"`
	// DropState leaves state out of the response.
	DropState bool `json:"drop_state"`
	// CodeLifetimeSeconds of an authorization code; default 600.
	CodeLifetimeSeconds int `json:"code_lifetime_seconds"`
}

// TokenKnobs turn the token endpoint.
type TokenKnobs struct {
	// AccessLifetimeSeconds of a PAT; default 3600.
	AccessLifetimeSeconds int `json:"access_lifetime_seconds"`
	// RefreshLifetimeSeconds of a refresh token; default 7200.
	RefreshLifetimeSeconds int `json:"refresh_lifetime_seconds"`
	// RefreshFixed counts that lifetime from the sign-in instead of from the
	// latest refresh.
	RefreshFixed bool `json:"refresh_fixed"`
	// RefreshCapSeconds ends the family that long after the sign-in whatever
	// is refreshed; 0 is no cap.
	RefreshCapSeconds int `json:"refresh_cap_seconds"`
	// Rotation is strict_family (reuse of an old token revokes its family),
	// strict (reuse is refused), grace (the latest old token still works for
	// GraceSeconds, later it is reuse) or none (the token stays the same).
	Rotation string `json:"rotation"`
	// GraceSeconds of rotation grace; default 30.
	GraceSeconds int `json:"grace_seconds"`
	// OmitRefreshToken leaves refresh_token out of a refresh response; the old
	// one stays good.
	OmitRefreshToken bool `json:"omit_refresh_token"`
	// ExpiresIn is number, string, fraction, absent, huge, negative or raw.
	ExpiresIn string `json:"expires_in"`
	// ExpiresInRaw is the JSON sent as expires_in when ExpiresIn is raw.
	ExpiresInRaw string `json:"expires_in_raw"`
	// ClientAuth is post, basic, both or none (secrets are not looked at).
	ClientAuth string `json:"client_auth"`
	// CodeReuseRevokes revokes what a code was exchanged for when the code
	// comes again (RFC 6749 §4.1.2).
	CodeReuseRevokes bool `json:"code_reuse_revokes"`
}

// PATKnobs turn the access tokens themselves.
type PATKnobs struct {
	// Opaque hands out tokens that are no JWT.
	Opaque bool `json:"opaque"`
	// OmitExp leaves exp out of the claims.
	OmitExp bool `json:"omit_exp"`
	// ExpOffsetSeconds moves exp away from what expires_in says.
	ExpOffsetSeconds int `json:"exp_offset_seconds"`
	// PadBytes makes every token at least that long.
	PadBytes int `json:"pad_bytes"`
	// RefreshUser and RefreshTenant replace the identity at a refresh: what a
	// provider that mixes up its users would do.
	RefreshUser   string `json:"refresh_user"`
	RefreshTenant string `json:"refresh_tenant"`
}

// PlatformKnobs turn the APIs that PATs and SATs open.
type PlatformKnobs struct {
	// AcceptAuthorization accepts a PAT in Authorization as well.
	AcceptAuthorization bool `json:"accept_authorization"`
	// ServiceTokenLifetimeSeconds of a SAT; default 3600.
	ServiceTokenLifetimeSeconds int `json:"service_token_lifetime_seconds"`
	// UnsubscribedStatus answers an exchange without a subscription; default 403.
	UnsubscribedStatus int `json:"unsubscribed_status"`
	// Plan is what /mytenantplan says; default PERSONAL.
	Plan string `json:"plan"`
}

// DefaultKnobs is what is known of OSC, and the strictest reading of the rest.
func DefaultKnobs() Knobs {
	return Knobs{}.withDefaults()
}

func (k Knobs) withDefaults() Knobs {
	orElse(&k.Discovery.Mode, "ok")
	orElse(&k.Discovery.SlowMS, 5000)
	orElse(&k.Registration.Fault, "none")
	orElse(&k.Registration.RetryAfterSeconds, 30)
	orElse(&k.Authorize.Iss, "off")
	orElse(&k.Authorize.CodeLifetimeSeconds, 600)
	orElse(&k.Token.AccessLifetimeSeconds, 3600)
	orElse(&k.Token.RefreshLifetimeSeconds, 7200)
	orElse(&k.Token.Rotation, RotationStrictFamily)
	orElse(&k.Token.GraceSeconds, 30)
	orElse(&k.Token.ExpiresIn, "number")
	orElse(&k.Token.ClientAuth, "post")
	orElse(&k.Platform.ServiceTokenLifetimeSeconds, 3600)
	orElse(&k.Platform.UnsubscribedStatus, 403)
	orElse(&k.Platform.Plan, "PERSONAL")
	k.Faults = slices.Clone(k.Faults)
	if k.Faults == nil {
		k.Faults = []Fault{}
	}
	for i := range k.Faults {
		f := &k.Faults[i]
		orElse(&f.Endpoint, EndpointToken)
		orElse(&f.Scope, ScopeBoth)
		f.Headers = maps.Clone(f.Headers)
	}
	return k
}

func orElse[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// Knobs returns a copy of the knobs as they are. The counts of faults in it
// are what is left of them.
func (s *Server) Knobs() Knobs {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.knobs.withDefaults()
}

// SetKnobs changes the knobs in one step while the server runs. It panics when
// the outcome is not valid, so that a test with a typo cannot pass.
func (s *Server) SetKnobs(change func(*Knobs)) {
	err := s.tryKnobs(func(k *Knobs) error { change(k); return nil })
	if err != nil {
		panic(err)
	}
}

// tryKnobs changes nothing unless all of it can be done.
func (s *Server) tryKnobs(change func(*Knobs) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := s.knobs.withDefaults()
	if err := change(&next); err != nil {
		return err
	}
	next = next.withDefaults()
	if err := next.Validate(); err != nil {
		return err
	}
	s.knobs = next
	return nil
}
