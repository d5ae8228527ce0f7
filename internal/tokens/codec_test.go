package tokens

import (
	"bytes"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/Eyevinn/osc-gateway/internal/secret"
)

// moment is a time as it is stored: whole milliseconds.
func moment(minutes int) time.Time {
	return time.UnixMilli(1_700_000_000_123).Add(time.Duration(minutes) * time.Minute)
}

func aMeta() meta {
	return meta{
		user: "ada", tenant: "acme", created: moment(0), lastUsed: moment(5),
		tokenIssued: moment(4), tokenExpires: moment(64), expires: moment(10_000),
	}
}

func someTokens() tokens {
	return tokens{
		access: secret.New("the-access-token"), refresh: secret.New("the-refresh-token"),
		client: Client{ID: "the-client", Secret: secret.New("the-client-secret"), Dynamic: true},
	}
}

func sameMeta(a, b meta) bool {
	return a.user == b.user && a.tenant == b.tenant && a.ended == b.ended && a.created.Equal(b.created) && a.lastUsed.Equal(b.lastUsed) &&
		a.tokenIssued.Equal(b.tokenIssued) && a.tokenExpires.Equal(b.tokenExpires) && a.expires.Equal(b.expires) && sameJobs(a.jobs, b.jobs)
}

// sameJobs takes all that have no end for none.
func sameJobs(a, b jobs) bool {
	return a.until.IsZero() && b.until.IsZero() || a.until.Equal(b.until) && bytes.Equal(a.ticket, b.ticket)
}

func withJobs(m meta, ticket string) meta {
	m.jobs = jobs{until: moment(600), ticket: []byte(ticket)}
	return m
}

func sameTokens(a, b tokens) bool {
	return a.access.Equal(b.access) && a.refresh.Equal(b.refresh) && a.client.ID == b.client.ID &&
		a.client.Secret.Equal(b.client.Secret) && a.client.Dynamic == b.client.Dynamic
}

func TestWhatIsEncodedIsDecodedAgain(t *testing.T) {
	long := strings.Repeat("x", 16<<10)
	metas := map[string]meta{
		"an ordinary session":  aMeta(),
		"nothing at all":       {created: time.UnixMilli(0), lastUsed: time.UnixMilli(0), tokenIssued: time.UnixMilli(0), tokenExpires: time.UnixMilli(0), expires: time.UnixMilli(0)},
		"zero times":           {},
		"times before 1970":    {created: time.UnixMilli(-1), expires: time.UnixMilli(-1 << 40)},
		"times far off":        {created: time.UnixMilli(math.MinInt64), expires: time.UnixMilli(math.MaxInt64)},
		"an ended one":         {ended: EndRejected, user: "ada"},
		"one with a job":       withJobs(aMeta(), "the sealed ticket"),
		"a ticket of 300":      withJobs(aMeta(), long[:300]),
		"a job and no ticket":  withJobs(aMeta(), ""),
		"an ended one's job":   withJobs(meta{ended: EndRejected}, "x"),
		"names in any bytes":   {user: "å\x00\xff\"", tenant: "\n"},
		"a user of 16 KiB":     {user: long},
		"a tenant of 127, 128": {user: long[:127], tenant: long[:128]},
	}
	for name, m := range metas {
		if got, err := decodeMeta(encodeMeta(&m)); err != nil || !sameMeta(got, m) {
			t.Errorf("%s: %+v came back as %+v (%v)", name, m, got, err)
		}
	}
	for name, tk := range map[string]tokens{
		"ordinary tokens":    someTokens(),
		"no tokens":          {},
		"no refresh token":   {access: secret.New("a"), client: Client{ID: "c"}},
		"16 KiB each":        {access: secret.New(long), refresh: secret.New(long), client: Client{ID: long, Secret: secret.New(long)}},
		"3 MiB":              {access: secret.New(strings.Repeat("x", 3<<20))},
		"tokens of any byte": {access: secret.New("\x00\xff\x80"), client: Client{Dynamic: true}},
	} {
		got, err := decodeTokens(encodeTokens(&tk))
		if err != nil || !sameTokens(got, tk) {
			t.Errorf("%s did not come back (%v)", name, err)
		}
		if got.refresh.IsEmpty() != tk.refresh.IsEmpty() {
			t.Errorf("%s: an absent refresh token became another", name)
		}
	}
}

// Tokens of OSC are JWTs. Two thirds of what a session takes is theirs.
func TestTokensAreStoredWithoutTheirBase64(t *testing.T) {
	jwt := strings.Repeat("eyJhbGciOiJIUzI1NiJ9", 40) + "." + strings.Repeat("QUFB", 20) + ".c2lnbmVk"
	short, ok := pack(jwt)
	if !ok || len(short) > len(jwt)*4/5 {
		t.Errorf("%d bytes of %d, %v", len(short), len(jwt), ok)
	}
	for _, token := range []string{
		jwt, "a", "ab", "abc", "abcd", "AB", "QQ", "QR", "QQ==", "..", ".", "a.", ".QQ", "QQ..QQ", "QQ\n", "QUFB\r\nQUFB", "QQ.Q", "x-_y",
		"not base64!", "+/+/", "0123456789abcdef", strings.Repeat(".", 100),
	} {
		tk := tokens{access: secret.New(token), refresh: secret.New("QUFB." + token)}
		got, err := decodeTokens(encodeTokens(&tk))
		if err != nil || got.access.Reveal() != token || got.refresh.Reveal() != "QUFB."+token {
			t.Errorf("%q came back as %q and %q (%v)", token, got.access.Reveal(), got.refresh.Reveal(), err)
		}
	}
}

// Records of versions that kept tokens as they are.
func TestARecordOfUnpackedTokensIsRead(t *testing.T) {
	old := []byte("\x04QUFB\x04QkJC\x01c\x01s\x01") // access, refresh, client's id and secret, a dynamic one
	got, err := decodeTokens(old)
	if err != nil || got.access.Reveal() != "QUFB" || got.refresh.Reveal() != "QkJC" || !got.client.Dynamic {
		t.Errorf("%v, %q", err, got.access.Reveal())
	}
}

func TestNothingShorterOrLongerIsDecoded(t *testing.T) {
	m, tk := aMeta(), someTokens()
	for name, test := range map[string]struct {
		whole  []byte
		decode func([]byte) error
	}{
		"meta":   {encodeMeta(&m), func(b []byte) error { _, err := decodeMeta(b); return err }},
		"tokens": {encodeTokens(&tk), func(b []byte) error { _, err := decodeTokens(b); return err }},
	} {
		t.Run(name, func(t *testing.T) {
			for length := range test.whole {
				if err := test.decode(test.whole[:length]); !errors.Is(err, errMalformed) {
					t.Errorf("the first %d bytes: error %v", length, err)
				}
			}
			if err := test.decode(append(bytes.Clone(test.whole), 0)); !errors.Is(err, errMalformed) {
				t.Errorf("with a byte too many: error %v", err)
			}
		})
	}
}

// Records of versions that knew no jobs end where these do without.
func TestARecordFromBeforeThereWereJobsHasNone(t *testing.T) {
	old := []byte("\x03ada\x04acme" + strings.Repeat("\x02", 5) + "\x00") // user, tenant, five times, no end
	m, err := decodeMeta(old)
	if err != nil || m.user != "ada" || m.tenant != "acme" || m.ended != "" || !m.expires.Equal(time.UnixMilli(1)) {
		t.Fatalf("%+v, %v", m, err)
	}
	if !m.jobs.until.IsZero() || m.jobs.ticket != nil {
		t.Errorf("jobs %+v", m.jobs)
	}
	if again := encodeMeta(&m); !bytes.Equal(again, old) {
		t.Errorf("a record without jobs is written as %q, which older gateways can't read", again)
	}
}

func TestJobsAreDecodedWholeOrNotAtAll(t *testing.T) {
	m := withJobs(aMeta(), "the sealed ticket")
	whole := encodeMeta(&m)
	m.jobs = jobs{}
	without := len(encodeMeta(&m))
	for length := range whole {
		if _, err := decodeMeta(whole[:length]); length != without && !errors.Is(err, errMalformed) {
			t.Errorf("the first %d of %d bytes: error %v", length, len(whole), err)
		}
	}
	if _, err := decodeMeta(append(bytes.Clone(whole), 0)); !errors.Is(err, errMalformed) {
		t.Errorf("with a byte too many: error %v", err)
	}
}

func TestALengthBeyondTheInputIsMalformed(t *testing.T) {
	for name, b := range map[string][]byte{
		"nothing":              {},
		"one past the end":     {2, 'a'},
		"the largest there is": {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1},
		"an overflow":          {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1},
		"an unfinished one":    {0x80},
	} {
		if _, err := decodeMeta(b); !errors.Is(err, errMalformed) {
			t.Errorf("%s as meta: error %v", name, err)
		}
		if got, err := decodeTokens(b); !errors.Is(err, errMalformed) || !got.access.IsEmpty() {
			t.Errorf("%s as tokens: error %v", name, err)
		}
	}
}
