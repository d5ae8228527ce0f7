package caddymodule

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/Eyevinn/osc-gateway/internal/tokens"
)

// AdminAPI lists and ends sessions through Caddy's admin API:
//
//	GET    /osc_auth/status
//	GET    /osc_auth/sessions[?user=|tenant=]
//	GET    /osc_auth/sessions/<id, or its beginning>
//	GET    /osc_auth/streams[?user=|tenant=]
//	DELETE /osc_auth/sessions/<id>
//	DELETE /osc_auth/sessions?user=|tenant=|all=true
//
// Ids are one-way digests: nothing here opens a session.
type AdminAPI struct{}

// CaddyModule returns the module's id.
func (AdminAPI) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "admin.api.osc_auth", New: func() caddy.Module { return new(AdminAPI) }}
}

// Routes implements caddy.AdminRouter.
func (AdminAPI) Routes() []caddy.AdminRoute {
	return []caddy.AdminRoute{
		{Pattern: "/osc_auth/status", Handler: caddy.AdminHandlerFunc(adminStatus)},
		{Pattern: "/osc_auth/sessions", Handler: caddy.AdminHandlerFunc(adminSessions)},
		{Pattern: "/osc_auth/sessions/", Handler: caddy.AdminHandlerFunc(adminSession)},
		{Pattern: "/osc_auth/streams", Handler: caddy.AdminHandlerFunc(adminStreams)},
	}
}

// adminSessionView is what the admin API tells of a session.
type adminSessionView struct {
	ID           string           `json:"id"`
	Site         string           `json:"site"`
	User         string           `json:"user,omitempty"`
	Tenant       string           `json:"tenant,omitempty"`
	Created      time.Time        `json:"created_at,omitzero"`
	LastUsed     time.Time        `json:"last_used_at,omitzero"`
	TokenExpires time.Time        `json:"token_expires_at,omitzero"`
	Expires      time.Time        `json:"session_expires_at,omitzero"`
	Ended        tokens.EndReason `json:"ended,omitempty"`
}

func viewOf(info tokens.Info) adminSessionView {
	site, _, _ := strings.Cut(info.Site, " ") // without the realm
	return adminSessionView{
		ID: info.Name.Digest(), Site: site, User: info.User, Tenant: info.Tenant, Created: info.Created.UTC(),
		LastUsed: info.LastUsed.UTC(), TokenExpires: info.TokenExpires.UTC(), Expires: info.Expires.UTC(), Ended: info.Ended,
	}
}

// adminStreamView is what the admin API tells of an open WebSocket or another
// stream of this process.
type adminStreamView struct {
	Session string    `json:"session"`
	Site    string    `json:"site"`
	User    string    `json:"user,omitempty"`
	Tenant  string    `json:"tenant,omitempty"`
	Kind    string    `json:"kind"`
	Path    string    `json:"path"`
	Begun   time.Time `json:"begun_at"`
}

func adminStreams(w http.ResponseWriter, r *http.Request) error {
	if r.Method != http.MethodGet {
		return methodNotAllowed(r)
	}
	user, tenant := r.URL.Query().Get("user"), r.URL.Query().Get("tenant")
	list := []adminStreamView{}
	eachVault(func(vault *tokens.Vault) {
		for _, stream := range vault.Streams() {
			if user != "" && stream.User != user || tenant != "" && stream.Tenant != tenant {
				continue
			}
			site, _, _ := strings.Cut(stream.Site, " ") // without the realm
			list = append(list, adminStreamView{
				Session: stream.Name.Digest(), Site: site, User: stream.User, Tenant: stream.Tenant,
				Kind: stream.Kind, Path: stream.Path, Begun: stream.Begun.UTC(),
			})
		}
	})
	return adminJSON(w, list)
}

func adminStatus(w http.ResponseWriter, r *http.Request) error {
	if r.Method != http.MethodGet {
		return methodNotAllowed(r)
	}
	type storeStatus struct {
		Store    string `json:"store"`
		State    string `json:"state"`
		Sessions int    `json:"sessions"`
	}
	status := []storeStatus{}
	runtimes.Range(func(key, value any) bool {
		kind, _, _ := strings.Cut(fmt.Sprint(key), " ")
		one := storeStatus{Store: kind, State: "not opened"}
		if vault := value.(*runtime).opened(); vault != nil {
			one.State, one.Sessions = "ok", vault.Sessions()
			if err := vault.Check(r.Context()); err != nil {
				one.State = err.Error()
			}
		}
		status = append(status, one)
		return true
	})
	return adminJSON(w, map[string]any{"stores": status})
}

func adminSessions(w http.ResponseWriter, r *http.Request) error {
	query := r.URL.Query()
	user, tenant, all := query.Get("user"), query.Get("tenant"), query.Get("all") == "true"
	chosen := func(info tokens.Info) bool {
		return (user == "" || info.User == user) && (tenant == "" || info.Tenant == tenant)
	}
	switch r.Method {
	case http.MethodGet:
		return listSessions(w, r, chosen)
	case http.MethodDelete:
		if user == "" && tenant == "" && !all {
			return badRequest("say which sessions: ?user=, ?tenant= or ?all=true")
		}
		return endSessions(w, r, chosen)
	default:
		return methodNotAllowed(r)
	}
}

func adminSession(w http.ResponseWriter, r *http.Request) error {
	id := strings.TrimPrefix(r.URL.Path, "/osc_auth/sessions/")
	switch r.Method {
	case http.MethodGet:
		return adminLife(w, r, id)
	case http.MethodDelete:
		if len(id) != len(tokens.Name{}.Digest()) { // what ends something is named in full
			return badRequest("not the id of a session")
		}
		return endSessions(w, r, func(info tokens.Info) bool { return info.Name.Digest() == id })
	default:
		return methodNotAllowed(r)
	}
}

func listSessions(w http.ResponseWriter, r *http.Request, chosen func(tokens.Info) bool) error {
	list := []adminSessionView{}
	err := visitSessions(r, chosen, func(_ *tokens.Vault, info tokens.Info) error {
		list = append(list, viewOf(info))
		return nil
	})
	if err != nil {
		return err
	}
	return adminJSON(w, list)
}

// endSessions revokes every chosen session that still lives.
func endSessions(w http.ResponseWriter, r *http.Request, chosen func(tokens.Info) bool) error {
	ended := 0
	err := visitSessions(r, chosen, func(vault *tokens.Vault, info tokens.Info) error {
		if info.Ended != "" {
			return nil
		}
		err := vault.End(r.Context(), info.Name, tokens.EndRevoked)
		if err == nil {
			ended++
		}
		if errors.Is(err, tokens.ErrAbsent) { // signed out meanwhile
			return nil
		}
		return err
	})
	if err != nil {
		return err
	}
	return adminJSON(w, map[string]int{"revoked": ended})
}

func visitSessions(r *http.Request, chosen func(tokens.Info) bool, visit func(*tokens.Vault, tokens.Info) error) error {
	var failed error
	eachVault(func(vault *tokens.Vault) {
		if failed != nil {
			return
		}
		failed = vault.List(r.Context(), func(info tokens.Info) error {
			if !chosen(info) {
				return nil
			}
			return visit(vault, info)
		})
	})
	if failed != nil {
		return caddy.APIError{HTTPStatus: http.StatusServiceUnavailable, Err: failed}
	}
	return nil
}

func methodNotAllowed(r *http.Request) error {
	return caddy.APIError{HTTPStatus: http.StatusMethodNotAllowed, Err: fmt.Errorf("method %s is not for this", r.Method)}
}

func badRequest(why string) error {
	return caddy.APIError{HTTPStatus: http.StatusBadRequest, Err: errors.New(why)}
}

func adminJSON(w http.ResponseWriter, value any) error {
	w.Header().Set("Content-Type", "application/json")
	return json.NewEncoder(w).Encode(value)
}

var _ caddy.AdminRouter = (*AdminAPI)(nil)
