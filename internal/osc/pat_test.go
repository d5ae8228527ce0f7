package osc

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"
)

// jwt makes a token of a payload, unsigned: nothing here can check a signature.
func jwt(payload string) string {
	encode := base64.RawURLEncoding.EncodeToString
	return encode([]byte(`{"alg":"HS256"}`)) + "." + encode([]byte(payload)) + ".c2lnbmF0dXJl"
}

func TestATokenSaysWhoItIsFor(t *testing.T) {
	now := newClock().Now()
	for name, test := range map[string]struct{ token, user, tenant string }{
		"user and tenant":              {jwt(`{"userId":"u-1","tenantId":"acme"}`), "u-1", "acme"},
		"a tenant alone":               {jwt(`{"tenantId":"acme"}`), "", "acme"},
		"neither":                      {jwt(`{"exp":1}`), "", ""},
		"names of another case":        {jwt(`{"userid":"u","TenantId":"t"}`), "", ""},
		"numbers":                      {jwt(`{"userId":7,"tenantId":8}`), "", ""},
		"null":                         {jwt(`{"userId":null,"tenantId":null}`), "", ""},
		"a line break":                 {jwt(`{"userId":"a\r\nX-Admin: 1","tenantId":"acme"}`), "", "acme"},
		"an accent":                    {jwt(`{"userId":"ren\u00e9","tenantId":"acme"}`), "", "acme"},
		"a space":                      {jwt(`{"userId":"a b","tenantId":"acme"}`), "", "acme"},
		"too long":                     {jwt(`{"userId":"` + strings.Repeat("u", maxClaim+1) + `","tenantId":"acme"}`), "", "acme"},
		"given twice":                  {jwt(`{"userId":"a","userId":"b","tenantId":"acme"}`), "", ""},
		"a payload with data after it": {jwt(`{"userId":"a"}{}`), "", ""},
		"a payload that is a list":     {jwt(`["userId"]`), "", ""},
		"a payload that is not JSON":   {jwt(`userId`), "", ""},
		"a payload nested deep":        {jwt(`{"userId":"a","x":` + strings.Repeat("[", 5500) + strings.Repeat("]", 5500) + `}`), "a", ""},
		"a payload nested without end": {jwt(`{"userId":"a","x":` + strings.Repeat("[", 11000)), "", ""},
		"a payload that is too long":   {jwt(`{"userId":"a","x":"` + strings.Repeat("x", maxPayload) + `"}`), "", ""},
		"a payload not in base64":      {"eyJ.+/~.c", "", ""},
		"an empty payload":             {"eyJ..c", "", ""},
		"five parts":                   {"eyJ.a.b.c.d", "", ""},
		"two parts":                    {"eyJ.eyJ1c2VySWQiOiJhIn0", "", ""},
		"an opaque token":              {"pat-1", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			said := readClaims(test.token, now)
			if said.user != test.user || said.tenant != test.tenant {
				t.Errorf("claims are %q of %q, want %q of %q", said.user, said.tenant, test.user, test.tenant)
			}
		})
	}
}

func TestTheShortestLifetimeCounts(t *testing.T) {
	now := newClock().Now()
	at := func(d time.Duration) int64 { return now.Add(d).Unix() }
	for name, test := range map[string]struct {
		payload string
		want    time.Duration
	}{
		"what expires_in says":                       {fmt.Sprintf(`{"exp":%d}`, at(2*time.Hour)), time.Hour},
		"what exp says":                              {fmt.Sprintf(`{"exp":%d}`, at(10*time.Minute)), 10 * time.Minute},
		"what exp and iat say":                       {fmt.Sprintf(`{"iat":%d,"exp":%d}`, at(0), at(30*time.Minute)), 30 * time.Minute},
		"what is left of an older token":             {fmt.Sprintf(`{"iat":%d,"exp":%d}`, at(-time.Hour), at(time.Minute)), time.Minute},
		"with our clock an hour behind":              {fmt.Sprintf(`{"iat":%d,"exp":%d}`, at(time.Hour), at(time.Hour+20*time.Minute)), 20 * time.Minute},
		"with our clock an hour ahead":               {fmt.Sprintf(`{"iat":%d,"exp":%d}`, at(-time.Hour), at(-40*time.Minute)), 20 * time.Minute},
		"expires_in where exp has passed":            {fmt.Sprintf(`{"exp":%d}`, at(-time.Hour)), time.Hour},
		"expires_in where exp precedes iat":          {fmt.Sprintf(`{"iat":%d,"exp":%d}`, at(0), at(-time.Hour)), time.Hour},
		"expires_in where exp is a word":             {`{"exp":"abc"}`, time.Hour},
		"expires_in where exp is astronomical":       {`{"exp":1e300}`, time.Hour},
		"expires_in where exp is beyond all numbers": {`{"exp":1e999,"iat":-1e999}`, time.Hour},
		"expires_in where exp is negative":           {`{"exp":-5,"iat":-10}`, time.Hour},
		"expires_in where exp is null":               {`{"exp":null}`, time.Hour},
		"expires_in where exp is given twice":        {`{"exp":1,"exp":2}`, time.Hour},
		"exp where iat is a word":                    {fmt.Sprintf(`{"iat":"abc","exp":%d}`, at(time.Minute)), time.Minute},
		"exp as digits":                              {fmt.Sprintf(`{"exp":"%d"}`, at(time.Minute)), time.Minute},
		"exp with a fraction":                        {fmt.Sprintf(`{"exp":%d.9}`, at(time.Minute)), time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			body := `{"access_token":"` + jwt(test.payload) + `","token_type":"Bearer","expires_in":3600}`
			set, err := parseSet([]byte(body), now)
			if err != nil || set.Lifetime != test.want {
				t.Errorf("lifetime is %v (%v), want %v", set.Lifetime, err, test.want)
			}
		})
	}
}

func TestWhatATokenSaysReachesTheSet(t *testing.T) {
	r := newRig(t)
	r.server.on(tokenPath, answer(200, `{"access_token":"`+jwt(`{"userId":"u-1","tenantId":"acme"}`)+`","token_type":"Bearer"}`))
	set, err := r.renew(t.Context())
	if err != nil || set.User != "u-1" || set.Tenant != "acme" {
		t.Errorf("set is of %q in %q (%v)", set.User, set.Tenant, err)
	}
}
