package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/Eyevinn/osc-gateway/caddymodule"
	"github.com/Eyevinn/osc-gateway/internal/simulator"
)

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
