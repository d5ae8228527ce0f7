package integration

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

// mistakes are Caddyfiles with one mistake each, in a line that is marked, and
// words the message must have.
var mistakes = map[string]struct {
	text  string
	words []string
}{
	"an unknown global option": {`{
	osc_auth {
		isuer https://app.osaas.io # here
	}
}`, []string{"isuer", "issuer"}},
	"an unknown environment": {`{
	osc_auth {
		environment production # here
	}
}`, []string{"prod", "stage"}},
	"a global option twice": {`{
	osc_auth {
		issuer https://a.example
		issuer https://b.example # here
	}
}`, []string{"twice"}},
	"a duration that is none": {`{
	osc_auth {
		idle_timeout soon # here
	}
}`, []string{"12h"}},
	"an unset variable": {`{
	osc_auth {
		client_id {env.NOT_SET_ANYWHERE} # here
	}
}`, []string{"NOT_SET_ANYWHERE", "not set"}},
	"a masked secret": {`{
	osc_auth {
		client_id x
		client_secret *** # here
	}
}`, []string{"***", "parameter store"}},
	"an unknown store": {`{
	osc_auth {
		store mongodb # here
	}
}`, []string{"mongodb"}},
	"an unknown word of a site": {`http://localhost:1 {
	osc_auth {
		pubic /assets/* # here
	}
}`, []string{"pubic", "public"}},
	"a policy without a matcher": {`http://localhost:1 {
	osc_auth {
		public # here
	}
}`, []string{"matcher"}},
	"a policy with a bare word": {`http://localhost:1 {
	osc_proxy localhost:2 {
		public assets # here
	}
}`, []string{"matcher"}},
	"an unknown word in a policy": {`http://localhost:1 {
	osc_auth {
		required /studio/* {
			tenant acme # here
		}
	}
}`, []string{"tenant", "tenants"}},
	"tenants on an optional route": {`http://localhost:1 {
	osc_auth {
		optional /x {
			tenants acme # here
		}
	}
}`, []string{"required"}},
	"a token header that is none": {`http://localhost:1 {
	osc_auth {
		token_header "not a name" # here
	}
}`, []string{"token_header"}},
	"a token header that means something": {`http://localhost:1 {
	osc_auth {
		required /x {
			token_header cookie # here
		}
	}
}`, []string{"token_header"}},
	"a public URL with a path": {`http://localhost:1 {
	osc_auth {
		public_url https://app.example.com/app # here
	}
}`, []string{"https://app.example.com"}},
	"a public URL in the clear": {`http://localhost:1 {
	osc_auth {
		public_url http://app.example.com # here
	}
}`, []string{"https://"}},
	"an origin that is none": {`http://localhost:1 {
	osc_auth {
		cross_origin *.example.com # here
	}
}`, []string{"origin"}},
	"same_site none": {`http://localhost:1 {
	osc_auth {
		same_site none # here
	}
}`, []string{"lax", "strict"}},
	"a switch that is neither": {`http://localhost:1 {
	osc_auth {
		identity_headers yes # here
	}
}`, []string{"on or off"}},
	"no upstream": {`http://localhost:1 {
	osc_proxy # here
}`, []string{"upstream"}},
	"a word neither proxy knows": {`http://localhost:1 {
	osc_proxy localhost:2 {
		heath_uri /x # here
	}
}`, []string{"heath_uri"}},
}

func TestAMistakeInTheCaddyfileNamesFileLineAndWhatToWrite(t *testing.T) {
	t.Parallel()
	g := newGateway(t, &canaries{})
	for name, c := range mistakes {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "Caddyfile")
			mustWrite(t, file, c.text+"\n")
			line := 1 + strings.Count(c.text[:strings.Index(c.text, "# here")], "\n")
			output, status := g.run("run", "--config", file, "--adapter", "caddyfile")
			if status == 0 {
				t.Fatalf("it runs:\n%s", output)
			}
			for _, want := range append(c.words, fmt.Sprintf("Caddyfile:%d", line)) {
				if !strings.Contains(output, want) {
					t.Errorf("%q is not said:\n%s", want, output)
				}
			}
		})
	}
}

func TestAMistakeInAVariableFailsTheLoadAndIsNotEchoed(t *testing.T) {
	t.Parallel()
	for name, env := range map[string][]string{
		"a masked secret":     {"OSC_CLIENT_ID=id", "OSC_CLIENT_SECRET=***"},
		"a secret with space": {"OSC_CLIENT_ID=id", "OSC_CLIENT_SECRET=" + marker + " x"},
		"a secret alone":      {"OSC_CLIENT_SECRET=" + marker},
		"a short key":         {"OSC_GATEWAY_KEY=" + marker},
	} {
		t.Run(name, func(t *testing.T) {
			c := &canaries{}
			c.note(planted, marker)
			g := newGateway(t, c, env...)
			global := ""
			if strings.HasPrefix(env[0], "OSC_GATEWAY_KEY") {
				global = "\t\tkey {env.OSC_GATEWAY_KEY}\n"
			}
			g.configure(global, "\tosc_proxy localhost:2\n")
			if output, status := g.run("run", "--config", g.config, "--adapter", "caddyfile"); status == 0 {
				t.Errorf("it runs:\n%s", output)
			}
		})
	}
}
