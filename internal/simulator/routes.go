package simulator

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/url"
)

// Names of the endpoints, as counters and faults know them.
const (
	EndpointDiscovery     = "discovery"
	EndpointRegister      = "register"
	EndpointAuthorize     = "authorize"
	EndpointToken         = "token"
	EndpointSubscriptions = "mysubscriptions"
	EndpointServiceToken  = "servicetoken"
	EndpointDelegate      = "delegate"
	EndpointRunnerToken   = "runner_token"
	EndpointApps          = "myapps"
	EndpointDeployments   = "mydeployments"
	EndpointPlan          = "mytenantplan"
	EndpointMCP           = "mcp"
	EndpointInstance      = "instance"
	EndpointInstanceAPI   = "instance_api"
)

// maxBody bounds what is read of a request; OSC's bodies are far below it.
const maxBody = 1 << 20

func endpoints() []string {
	return []string{
		EndpointDiscovery, EndpointRegister, EndpointAuthorize, EndpointToken,
		EndpointSubscriptions, EndpointServiceToken, EndpointDelegate, EndpointRunnerToken,
		EndpointApps, EndpointDeployments, EndpointPlan,
		EndpointMCP, EndpointInstance, EndpointInstanceAPI,
	}
}

// routes is the list of all there is. Whatever OSC does not advertise
// (userinfo, jwks, revocation, OpenID discovery) is absent and so a 404.
func (s *Server) routes() {
	s.handle("GET /.well-known/oauth-authorization-server", EndpointDiscovery, s.discovery)
	s.handle("POST /api/connect/register", EndpointRegister, s.register)
	s.handle("GET /api/connect/authorize", EndpointAuthorize, s.authorize)
	s.handle("POST /api/connect/authorize", EndpointAuthorize, s.authorize)
	s.handle("POST /api/connect/token", EndpointToken, s.token)

	s.platform("GET /catalog/mysubscriptions", EndpointSubscriptions, s.listSubscriptions)
	s.platform("POST /catalog/mysubscriptions", EndpointSubscriptions, s.addSubscriptions)
	s.platform("DELETE /catalog/mysubscriptions", EndpointSubscriptions, s.removeSubscriptions)
	s.platform("DELETE /catalog/mysubscriptions/{service}", EndpointSubscriptions, s.removeSubscription)
	s.platform("POST /token/servicetoken", EndpointServiceToken, s.serviceToken)
	s.platform("POST /token/delegate/{service}", EndpointDelegate, s.delegate)
	s.handle("POST /token/runner-token/refresh", EndpointRunnerToken, s.refreshRunnerToken)
	s.platform("GET /deploy/myapps", EndpointApps, s.listApps)
	s.platform("POST /deploy/myapps", EndpointApps, s.createApp)
	s.platform("GET /deploy/myapps/{id}", EndpointApps, s.showApp)
	s.platform("DELETE /deploy/myapps/{id}", EndpointApps, s.deleteApp)
	s.platform("GET /deploy/terraform/mydeployments", EndpointDeployments, s.listDeployments)
	s.platform("GET /money/mytenantplan", EndpointPlan, s.tenantPlan)

	s.handle("/mcp", EndpointMCP, s.mcp)
	s.mux.HandleFunc("GET /.well-known/oauth-protected-resource", s.protectedResource)
	s.mux.HandleFunc("GET /.well-known/oauth-protected-resource/mcp", s.protectedResource)
	s.handle("/instance/{service}/{path...}", EndpointInstance, s.instance)
	s.handle("/instance-api/{service}/{path...}", EndpointInstanceAPI, s.instanceAPI)
	s.instanceRoutes()

	s.controlRoutes()
}

// handle mounts one endpoint: counted, its body read up front, faults applied.
func (s *Server) handle(pattern, name string, h http.HandlerFunc) {
	s.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		s.count(func(c *Counters) { c.Endpoints[name]++ })
		// net/http notices a client that went away only once the body is read,
		// and hangs must end when it does.
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
		if err != nil {
			status := http.StatusBadRequest
			if tooBig := (*http.MaxBytesError)(nil); errors.As(err, &tooBig) {
				status = http.StatusRequestEntityTooLarge
			}
			writeFastify(w, status, "", "The request body could not be read")
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		scope := ""
		if name == EndpointToken {
			form, _ := url.ParseQuery(string(body))
			scope = scopeOf(form.Get("grant_type"))
			switch scope {
			case ScopeCode:
				s.count(func(c *Counters) { c.CodeExchanges++ })
			case ScopeRefresh:
				defer s.trackRefresh(form.Get("refresh_token"))()
			}
		}
		s.withFaults(w, r, name, scope, h)
	})
}
