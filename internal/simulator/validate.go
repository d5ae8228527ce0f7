package simulator

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// Rotation modes of TokenKnobs.Rotation.
const (
	RotationStrictFamily = "strict_family"
	RotationStrict       = "strict"
	RotationGrace        = "grace"
	RotationNone         = "none"
)

// Validate says which knob has a value outside of its list or range.
func (k Knobs) Validate() error {
	k = k.withDefaults()
	lists := []struct {
		name, value string
		allowed     []string
	}{
		{"discovery.mode", k.Discovery.Mode, []string{"ok", "404", "500", "html", "wrong_issuer", "extra_fields", "slow"}},
		{"registration.fault", k.Registration.Fault, []string{"none", "400", "403", "429", "500", "html", "hang"}},
		{"authorize.iss", k.Authorize.Iss, []string{"off", "on", "wrong"}},
		{"token.rotation", k.Token.Rotation, []string{RotationStrictFamily, RotationStrict, RotationGrace, RotationNone}},
		{"token.expires_in", k.Token.ExpiresIn, []string{"number", "string", "fraction", "absent", "huge", "negative", "raw"}},
		{"token.client_auth", k.Token.ClientAuth, []string{"post", "basic", "both", "none"}},
	}
	for _, l := range lists {
		if !slices.Contains(l.allowed, l.value) {
			return fmt.Errorf("simulator: %s is %q, not one of %s", l.name, l.value, strings.Join(l.allowed, ", "))
		}
	}
	if k.Token.ExpiresIn == "raw" && !json.Valid([]byte(k.Token.ExpiresInRaw)) {
		return fmt.Errorf("simulator: token.expires_in_raw is not JSON")
	}
	if err := k.validateNumbers(); err != nil {
		return err
	}
	for i, f := range k.Faults {
		if err := f.validate(); err != nil {
			return fmt.Errorf("simulator: faults[%d]: %w", i, err)
		}
	}
	return nil
}

func (k Knobs) validateNumbers() error {
	for name, n := range map[string]int{
		"discovery.slow_ms":                       k.Discovery.SlowMS,
		"registration.client_lifetime_seconds":    k.Registration.ClientLifetimeSeconds,
		"registration.retry_after_seconds":        k.Registration.RetryAfterSeconds,
		"authorize.code_lifetime_seconds":         k.Authorize.CodeLifetimeSeconds,
		"token.access_lifetime_seconds":           k.Token.AccessLifetimeSeconds,
		"token.refresh_lifetime_seconds":          k.Token.RefreshLifetimeSeconds,
		"token.refresh_cap_seconds":               k.Token.RefreshCapSeconds,
		"token.grace_seconds":                     k.Token.GraceSeconds,
		"pat.pad_bytes":                           k.PAT.PadBytes,
		"platform.service_token_lifetime_seconds": k.Platform.ServiceTokenLifetimeSeconds,
	} {
		if n < 0 {
			return fmt.Errorf("simulator: %s is negative", name)
		}
	}
	if k.PAT.PadBytes > maxPad {
		return fmt.Errorf("simulator: pat.pad_bytes is more than %d", maxPad)
	}
	if !isStatus(k.Platform.UnsubscribedStatus) {
		return fmt.Errorf("simulator: platform.unsubscribed_status is no final HTTP status")
	}
	return nil
}

func (f Fault) validate() error {
	switch {
	case !knownFault(f.Kind):
		return fmt.Errorf("kind is %q, not one of %s", f.Kind, strings.Join(FaultKinds(), ", "))
	case !slices.Contains(endpoints(), f.Endpoint):
		return fmt.Errorf("endpoint is %q, not one of %s", f.Endpoint, strings.Join(endpoints(), ", "))
	case !slices.Contains([]string{ScopeBoth, ScopeCode, ScopeRefresh}, f.Scope):
		return fmt.Errorf("scope is %q, not one of both, code, refresh", f.Scope)
	case f.Count < 0 || f.DelayMS < 0 || f.RetryAfterSeconds < 0 || f.SizeBytes < 0:
		return fmt.Errorf("a negative number")
	case f.Status != 0 && !isStatus(f.Status):
		return fmt.Errorf("status %d is no final HTTP status", f.Status)
	}
	return nil
}

// isStatus excludes 1xx, which net/http sends as an interim answer.
func isStatus(code int) bool {
	return code >= http.StatusOK && code <= 599
}
