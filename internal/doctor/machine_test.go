package doctor

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestVariablesThatCannotBeRightAreNamedAndNeverShown(t *testing.T) {
	const canary = "canary-5d1f"
	for name, test := range map[string]struct {
		environ []string
		status  Status
		says    string
	}{
		"fine":            {[]string{"OSC_CLIENT_ID=" + canary, "OSC_GATEWAY_KEY=" + canary}, OK, "2 of the gateway's"},
		"none":            {[]string{"HOME=" + canary, "OSC_CLIENT_ID="}, OK, "none of the gateway's is set"},
		"masked":          {[]string{"OSC_CLIENT_SECRET=***"}, Fail, "OSC_CLIENT_SECRET reads ***"},
		"masked, quoted":  {[]string{"OSC_GATEWAY_KEY='***'"}, Fail, "OSC_GATEWAY_KEY reads ***"},
		"masked, by file": {[]string{"MY_OWN=***"}, Fail, "MY_OWN reads ***"},
		"not ours":        {[]string{"OTHER=***"}, OK, ""},
		"quoted":          {[]string{"CLIENT_SECRET=\"" + canary + "\""}, Fail, "stands in quotes"},
		"a line's end":    {[]string{"OSC_GATEWAY_KEY=" + canary + "\n"}, Warn, "blanks or a line's end"},
		"lower case":      {[]string{"osc_client_secret=" + canary}, Warn, "call it OSC_CLIENT_SECRET"},
		"both cases":      {[]string{"osc_client_secret=" + canary, "OSC_CLIENT_SECRET=" + canary}, OK, ""},
	} {
		t.Run(name, func(t *testing.T) {
			setup := &Setup{Variables: []string{"MY_OWN"}}
			results := examine(t, Config{Setup: setup, Environ: test.environ}, CheckVariables)
			expect(t, results, CheckVariables, test.status, test.says)
			text, err := json.Marshal(results)
			if err != nil || bytes.Contains(text, []byte(canary)) {
				t.Errorf("a value is shown (%v): %s", err, text)
			}
		})
	}
}

func TestAMisspeltOptionIsNamed(t *testing.T) {
	strays := map[string]string{"OSC_GATEWAY_TENNANT": "call it by its name"}
	config := Config{Setup: &Setup{}, Strays: strays, Environ: []string{"OSC_GATEWAY_TENNANT=acme"}}
	expect(t, examine(t, config, CheckVariables), CheckVariables, Fail, "OSC_GATEWAY_TENNANT is no option")
	config.Environ = []string{"OSC_GATEWAY_TENANT=acme"}
	expect(t, examine(t, config, CheckVariables), CheckVariables, OK)
	config.Environ, config.Strays = []string{"OSC_GATEWAY_OLD_KEY=of-a-caddyfile"}, nil
	expect(t, examine(t, config, CheckVariables), CheckVariables, OK)
}

func TestAConfigurationThatDoesNotLoadIsSaidAndNothingElseIsGuessed(t *testing.T) {
	results := examine(t, Config{Err: errors.New("Caddyfile:3: unknown word"), From: "Caddyfile", Environ: []string{"OSC_CLIENT_SECRET=***"}})
	expect(t, results, CheckConfiguration, Fail, "Caddyfile:3: unknown word")
	expect(t, results, CheckVariables, Fail, "***")
	for _, check := range Checks()[3:] {
		expect(t, results, check, Skip, "does not load")
	}
}

func TestRootIsToldThatItNeedNotBe(t *testing.T) {
	for user, want := range map[int]Status{0: Warn, 1000: OK, -1: Skip} {
		if got := New(Config{User: user}).user().Status; got != want {
			t.Errorf("user %d: %s", user, got)
		}
	}
}

func TestTheDataDirectoryIsTriedAndLeftAsItWas(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]Status{dir: OK, filepath.Join(dir, "a", "b"): OK, filepath.Join(file, "a"): Fail, "": Skip} {
		expect(t, examine(t, Config{Setup: &Setup{DataDir: path}}, CheckData), CheckData, want)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
		t.Errorf("left behind: %v (%v)", left, err)
	}
}

func TestWhereKeysComeFromIsSaid(t *testing.T) {
	stored := func(there bool, err error) func(context.Context) (bool, error) {
		return func(context.Context) (bool, error) { return there, err }
	}
	for name, test := range map[string]struct {
		keys   Keys
		store  Store
		status Status
		says   string
	}{
		"one configured":    {Keys{Configured: 1}, Store{Kind: "redis"}, OK, "one, from the configuration"},
		"two configured":    {Keys{Configured: 2}, Store{}, OK, "2, from the configuration"},
		"kept":              {Keys{Stored: stored(true, nil)}, Store{Kind: "memory"}, OK, "kept in Caddy's storage"},
		"not yet":           {Keys{Stored: stored(false, nil)}, Store{Kind: "memory"}, OK, "will be made"},
		"beside the file":   {Keys{Stored: stored(true, nil), Path: "/data/x/master.key"}, Store{Kind: "file", Path: "/data/x/sessions.db"}, OK, "a copy of /data/x holds both"},
		"not shared":        {Keys{Stored: stored(true, nil), Path: "/data/x/master.key"}, Store{Kind: "redis"}, Warn, "osc-gateway keys generate"},
		"unreadable":        {Keys{Stored: stored(false, errors.New("permission denied"))}, Store{}, Fail, "permission denied"},
		"apart of the file": {Keys{Stored: stored(true, nil), Path: "/data/x/master.key"}, Store{Kind: "file", Path: "/data/y/sessions.db"}, OK, "kept in Caddy's storage"},
	} {
		t.Run(name, func(t *testing.T) {
			results := examine(t, Config{Setup: &Setup{Keys: test.keys, Store: test.store}}, CheckKeys)
			found := expect(t, results, CheckKeys, test.status, test.says)
			if name == "apart of the file" && strings.Contains(found.Message, "holds both") {
				t.Error(found.Message)
			}
		})
	}
}

func TestResultsAreALineEachAndSkippedOnesShareOne(t *testing.T) {
	results := []Result{
		{Check: CheckClock, Status: Fail, Message: "evil\x1b[2J\nline", Fix: "a fix", TookMS: 3},
		{Check: CheckHTTPS, Site: "https://a.example", Status: Skip, Message: "because x"},
		{Check: CheckSignIn, Site: "https://a.example", Status: Skip, Message: "because x"},
		{Check: CheckSignIn, Site: "https://b.example", Status: Skip, Message: "because x"},
	}
	var text, coloured, encoded bytes.Buffer
	if err := errors.Join(WriteText(&text, results, false), WriteText(&coloured, results, true), WriteJSON(&encoded, results)); err != nil {
		t.Fatal(err)
	}
	const want = "FAIL  clock          evil [2J line. Fix: a fix.\n" +
		"skip  https          https://a.example: and sign-in, because x\n" +
		"skip  sign-in        https://b.example: because x\n"
	if text.String() != want {
		t.Errorf("text:\n%s", &text)
	}
	if !strings.Contains(coloured.String(), "\x1b[1;31mFAIL\x1b[0m") {
		t.Errorf("coloured: %q", &coloured)
	}
	var read []Result
	if err := json.Unmarshal(encoded.Bytes(), &read); err != nil || len(read) != len(results) || read[0] != results[0] {
		t.Errorf("JSON (%v): %s", err, &encoded)
	}
}

func TestOnlyTheChecksAskedForAreMade(t *testing.T) {
	asked := false
	config := Config{Setup: &Setup{Keys: Keys{Stored: func(context.Context) (bool, error) { asked = true; return true, nil }}}}
	results := examine(t, config, CheckUser)
	if asked || len(results) != 1 || results[0].Check != CheckUser {
		t.Errorf("%v, %+v", asked, results)
	}
}
