package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/textproto"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/Eyevinn/osc-gateway/caddymodule"
	"github.com/Eyevinn/osc-gateway/internal/simulator"
)

func init() {
	caddycmd.RegisterCommand(caddycmd.Command{
		Name:  "explain",
		Usage: "<method> <url> [--as tenant=<name>,user=<id>] [-H '<name>: <value>'] [--config <file>]",
		Short: "Says what a configuration makes of a request: policy, headers, outcome",
		Long: `
Serves one request by a configuration that is not running, with its real
routing, policies and headers, and says which policy is applied and why, what
is taken off the request, and what the upstream would get. No upstream and no
OSC is called, no variable with a secret is needed, and nothing is kept.

	osc-gateway explain GET https://app.example.com/studio
	osc-gateway explain POST https://app.example.com/api/x --as tenant=acme -H 'Origin: https://evil.example'

With --expect it is a test for CI: the status is 1 unless the outcome is that.
The outcomes are passed (on, for somebody signed in), anonymous (passed on for
nobody), public, signin (sent to sign in), refused, endpoint (one of the
gateway's own), elsewhere (answered by something else in the configuration) and
unprotected (an upstream would get it past the gateway).
`,
		CobraFunc: func(cmd *cobra.Command) {
			cmd.Args = cobra.ExactArgs(2)
			cmd.Flags().String("as", "", "Who is signed in, like tenant=acme or tenant=acme,user=u-1 (default: nobody)")
			cmd.Flags().StringArrayP("header", "H", nil, "A header field of the request, like 'Accept: text/html'")
			cmd.Flags().StringP("config", "c", "", "The configuration (default: ./Caddyfile)")
			cmd.Flags().StringP("adapter", "a", "", "The configuration's adapter")
			cmd.Flags().Bool("json", false, "Print JSON")
			cmd.Flags().String("expect", "", "The outcome there should be")
			cmd.RunE = caddycmd.WrapCommandFuncForCobra(runExplain)
		},
	})
}

func runExplain(flags caddycmd.Flags) (int, error) {
	lines, err := flags.GetStringArray("header")
	if err != nil {
		return caddy.ExitCodeFailedStartup, err
	}
	request, err := explainedRequest(flags.Arg(0), flags.Arg(1), lines)
	if err != nil {
		return caddy.ExitCodeFailedStartup, err
	}
	who, err := parseAs(flags.String("as"))
	if err != nil {
		return caddy.ExitCodeFailedStartup, err
	}
	told, err := explain(flags.String("config"), flags.String("adapter"), request, who)
	if err != nil {
		return caddy.ExitCodeFailedStartup, err
	}
	if err := told.print(os.Stdout, flags.Bool("json")); err != nil {
		return caddy.ExitCodeFailedQuit, err
	}
	if expected := flags.String("expect"); expected != "" && expected != told.Outcome {
		return 1, fmt.Errorf("the outcome is %s, expected was %s", told.Outcome, expected)
	}
	return caddy.ExitCodeSuccess, nil
}

// explain asks the configuration in a file.
func explain(file, adapter string, request *http.Request, who simulator.User) (*told, error) {
	config, err := loadExplained(file, adapter)
	if err != nil {
		return nil, err
	}
	for _, name := range []string{"OSC_CLIENT_ID", "CLIENT_ID", "OSC_CLIENT_SECRET", "CLIENT_SECRET"} {
		_ = os.Unsetenv(name) // nobody here knows that client
	}
	osc, err := startSimulator("127.0.0.1:0", signsIn(who))
	if err != nil {
		return nil, err
	}
	defer osc.stop()
	found, err := caddymodule.Explain(context.Background(), caddymodule.Question{
		Config: config, Request: request, SignedIn: who.Name != "", Provider: osc.issuer,
	})
	if err != nil {
		return nil, err
	}
	return tell(request, who, found), nil
}

// explainedRequest is the request on the command line.
func explainedRequest(method, raw string, lines []string) (*http.Request, error) {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("%q: give the whole address, like https://app.example.com/studio", raw)
	}
	if u.Path == "" {
		u.Path = "/"
	}
	request := &http.Request{Method: method, URL: u, Header: http.Header{}, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1}
	for _, line := range lines {
		name, value, found := strings.Cut(line, ":")
		if !found || strings.TrimSpace(name) == "" {
			return nil, fmt.Errorf("-H %q: write it like 'Accept: text/html'", line)
		}
		name = textproto.CanonicalMIMEHeaderKey(strings.TrimSpace(name))
		request.Header[name] = append(request.Header[name], strings.TrimSpace(value))
	}
	return request, nil
}

var unsetVariable = regexp.MustCompile(`the variable (\w+) is not set`)

// loadExplained reads the configuration. Variables that are not set here, where
// it does not run, are taken for set: the secrets in them are not needed.
func loadExplained(file, adapter string) ([]byte, error) {
	if file == "" {
		file = "Caddyfile"
	}
	adapt, err := readConfiguration(file, adapter)
	if errors.Is(err, errNoFile) {
		return nil, fmt.Errorf("there is no %s; name the configuration with --config", file)
	}
	if err != nil {
		return nil, err
	}
	for {
		adapted, err := adapt()
		missing := unsetVariable.FindStringSubmatch(fmt.Sprint(err))
		if err == nil || missing == nil || os.Getenv(missing[1]) != "" {
			return adapted, err
		}
		if err := os.Setenv(missing[1], "not-set-here"); err != nil {
			return nil, err
		}
	}
}

// parseAs reads --as; nobody where it is empty.
func parseAs(as string) (simulator.User, error) {
	if as == "" {
		return simulator.User{}, nil
	}
	who := simulator.User{Name: "somebody"}
	for part := range strings.SplitSeq(as, ",") {
		key, value, _ := strings.Cut(part, "=")
		switch {
		case key == "tenant" && value != "":
			who.Tenants = []string{value}
		case key == "user" && value != "":
			who.Name = value
		default:
			return who, fmt.Errorf("--as %q: write it like tenant=acme or tenant=acme,user=u-1", as)
		}
	}
	return who, nil
}

// signsIn is an OSC that signs somebody in without asking.
func signsIn(who simulator.User) simulator.Config {
	config := simulator.Config{Knobs: simulator.Knobs{Authorize: simulator.AuthorizeKnobs{AutoUser: who.Name, AutoApprove: true}}}
	if who.Name != "" {
		config.Users = []simulator.User{who}
	}
	return config
}

// told is an explanation as it is printed.
type told struct {
	Request  string   `json:"request"`
	As       string   `json:"as"`
	Outcome  string   `json:"outcome"`
	Policy   string   `json:"policy,omitempty"`
	Because  string   `json:"because,omitempty"`
	Status   int      `json:"status,omitempty"`
	Reason   string   `json:"reason,omitempty"`
	Hint     string   `json:"hint,omitempty"`
	Upstream string   `json:"upstream,omitempty"`
	Target   string   `json:"upstream_request,omitempty"`
	Taken    []string `json:"taken_off,omitempty"`
	Set      []string `json:"set,omitempty"`
	Kept     []string `json:"passed_on,omitempty"`
}

// tell makes words of an explanation.
func tell(request *http.Request, who simulator.User, found *caddymodule.Explanation) *told {
	t := &told{Request: request.Method + " " + request.URL.String(), As: "nobody"}
	if who.Name != "" {
		t.As = strings.TrimSpace(who.Name + " of " + strings.Join(who.Tenants, ""))
	}
	t.decide(found)
	if len(found.Sent) > 0 {
		t.describe(request, found)
		return t
	}
	t.Status = found.Status
	var problem struct{ Reason, Hint string }
	if json.Unmarshal(found.Body, &problem) == nil {
		t.Reason, t.Hint = problem.Reason, problem.Hint
	}
	return t
}

// decide finds the policy and the outcome. Of several gates, the last that was
// not outside of its own matcher decides.
func (t *told) decide(found *caddymodule.Explanation) {
	for _, decided := range found.Decisions {
		switch {
		case decided.Odd:
			t.Policy, t.Because = "none", "the target can be read in more than one way"
		case decided.Endpoint != "":
			t.Policy, t.Because = "none", decided.Endpoint+" is the gateway's own"
		case decided.Err != nil:
			t.Policy, t.Because = "none", decided.Err.Error()
		default:
			t.Policy, t.Because = decided.Route.Name, ""
			if decided.Because != "" {
				t.Because = "an upstream may read the path as " + decided.Because
			}
		}
	}
	t.Outcome = outcomeOf(found)
}

func outcomeOf(found *caddymodule.Explanation) string {
	sent, last := len(found.Sent)-1, len(found.Decisions)-1
	switch {
	case sent >= 0 && last < 0:
		return "unprotected"
	case sent >= 0 && found.Decisions[last].Route == nil:
		return "elsewhere"
	case sent >= 0 && found.Sent[sent].SignedIn:
		return "passed"
	case sent >= 0 && found.Decisions[last].Route.Mode.String() == "public":
		return "public"
	case sent >= 0:
		return "anonymous"
	case last >= 0 && found.Decisions[last].Endpoint != "":
		return "endpoint"
	case last >= 0 && found.Status == http.StatusFound:
		return "signin"
	case last >= 0 && found.Status >= http.StatusBadRequest:
		return "refused"
	default:
		return "elsewhere"
	}
}

// secretOf says what the value of a field stands for that is not printed; "" for
// one that is.
func secretOf(name string, found *caddymodule.Explanation) string {
	for _, decided := range found.Decisions {
		switch {
		case decided.Route == nil:
		case name == "X-Osc-Job":
			return "<the handle of a job>"
		case name != decided.Route.Token.Name:
		case decided.Route.Service != "":
			return "<a token of " + decided.Route.Service + ">"
		default:
			return "<the user's token>"
		}
	}
	return ""
}

// describe compares what came with what would go on.
func (t *told) describe(request *http.Request, found *caddymodule.Explanation) {
	sent := found.Sent[len(found.Sent)-1]
	t.Upstream = sent.Upstream
	t.Target = sent.Request.Method + " " + sent.Request.URL.RequestURI()
	for name, values := range sent.Request.Header {
		switch was, secret := request.Header[name], secretOf(name, found); {
		case secret != "" && sent.SignedIn:
			t.Set = append(t.Set, name+": "+secret)
		case strings.Join(values, "") == "": // keeps Go's own from being sent
		case slices.Equal(was, values):
			t.Kept = append(t.Kept, name+": "+strings.Join(values, ", "))
		default:
			t.Set = append(t.Set, name+": "+strings.Join(values, ", "))
		}
	}
	for name, values := range request.Header {
		if !slices.Equal(sent.Request.Header[name], values) {
			t.Taken = append(t.Taken, name+": "+strings.Join(values, ", "))
		}
	}
	slices.Sort(t.Set)
	slices.Sort(t.Kept)
	slices.Sort(t.Taken)
}

func (t *told) print(w io.Writer, asJSON bool) error {
	if asJSON {
		encoder := json.NewEncoder(w)
		encoder.SetIndent("", "  ")
		encoder.SetEscapeHTML(false)
		return encoder.Encode(t)
	}
	row := func(name, value string) {
		if value != "" {
			fmt.Fprintf(w, "%-10s %s\n", name, value)
		}
	}
	row("request", t.Request)
	row("as", t.As)
	row("policy", t.Policy)
	row("because", t.Because)
	row("outcome", t.Outcome)
	if t.Status != 0 {
		row("answer", strings.TrimSpace(fmt.Sprint(t.Status, " ", http.StatusText(t.Status), " ", t.Reason)))
	}
	row("hint", t.Hint)
	row("upstream", strings.TrimSpace(t.Upstream+" "+t.Target))
	for _, lines := range []struct {
		name string
		all  []string
	}{{"taken off", t.Taken}, {"set", t.Set}, {"passed on", t.Kept}} {
		for _, line := range lines.all {
			row(lines.name, line)
		}
	}
	return nil
}
