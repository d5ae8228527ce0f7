package simulator

import (
	"encoding/json"
	"net/http"
)

// protectedResource is the RFC 9728 document of the MCP server.
func (s *Server) protectedResource(w http.ResponseWriter, r *http.Request) {
	base := s.base(r)
	writeJSON(w, http.StatusOK, struct {
		Resource string   `json:"resource"`
		Servers  []string `json:"authorization_servers"`
		Methods  []string `json:"bearer_methods_supported"`
	}{base + "/mcp", []string{base}, []string{"header"}})
}

// challenge says where to get a token (RFC 9728 §5.1), and whether the one
// that came was the trouble (RFC 6750 §3.1).
func (s *Server) challenge(w http.ResponseWriter, r *http.Request, hadToken bool) {
	invalid := ""
	if hadToken {
		invalid = `error="invalid_token", `
	}
	w.Header().Set("WWW-Authenticate", `Bearer `+invalid+`resource_metadata="`+s.base(r)+`/.well-known/oauth-protected-resource/mcp"`)
	writeJSON(w, http.StatusUnauthorized, map[string]string{"error": "invalid_token"})
}

// mcp wants the PAT in Authorization, unlike the platform APIs, and speaks
// just enough JSON-RPC to show who is calling.
func (s *Server) mcp(w http.ResponseWriter, r *http.Request) {
	token, ok := bearer(r.Header.Values("Authorization"))
	pat, valid := s.verifyPAT(token)
	if !ok || !valid {
		s.challenge(w, r, ok)
		return
	}
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		writeFastify(w, http.StatusMethodNotAllowed, "", "Method not allowed")
		return
	}
	var call struct {
		ID     json.RawMessage `json:"id"`
		Method string          `json:"method"`
	}
	if !readJSON(w, r, &call) {
		return
	}
	if call.ID == nil { // a notification
		w.WriteHeader(http.StatusAccepted)
		return
	}
	answer := map[string]any{"jsonrpc": "2.0", "id": call.ID}
	switch call.Method {
	case "initialize":
		answer["result"] = map[string]any{
			"protocolVersion": "2025-06-18",
			"capabilities":    map[string]any{"tools": map[string]any{}},
			"serverInfo":      map[string]string{"name": "osc-simulator", "version": "1"},
			"instructions":    "Workspace " + pat.TenantID,
		}
	case "ping":
		answer["result"] = map[string]any{}
	case "tools/list":
		answer["result"] = map[string]any{"tools": []any{}}
	default:
		answer["error"] = map[string]any{"code": -32601, "message": "Method not found"}
	}
	writeJSON(w, http.StatusOK, answer)
}
