package simulator

import (
	"maps"
	"net/http"
	"regexp"
	"strings"
	"time"
)

// serviceInstance is one that was created through a service's own API: what
// was asked for, and what OSC adds to that.
type serviceInstance map[string]any

// instancesPath is where a service's API has its instances. The catalogue
// tells it, so that clients know it from nowhere else.
const instancesPath = "/instances"

var instanceName = regexp.MustCompile(`^[a-z0-9]+$`)

// serviceAPI mounts a part of every service's own API, below its host or
// /instance-api/{service}.
func (s *Server) serviceAPI(pattern string, h func(http.ResponseWriter, *http.Request, satClaims)) {
	method, path, _ := strings.Cut(pattern, " ")
	s.handle(method+" /instance-api/{service}"+path, EndpointInstanceAPI, func(w http.ResponseWriter, r *http.Request) {
		if sat, ok := s.serviceCaller(w, r); ok {
			h(w, r, sat)
		}
	})
}

// serviceCaller verifies the SAT in x-jwt; a call without one has been
// answered.
func (s *Server) serviceCaller(w http.ResponseWriter, r *http.Request) (satClaims, bool) {
	token, ok := bearer(r.Header.Values("X-Jwt"))
	if !ok {
		writeReason(w, http.StatusUnauthorized, "No x-jwt header with one Bearer token")
		return satClaims{}, false
	}
	sat, ok := s.verifySAT(r.PathValue("service"), token)
	if !ok {
		writeReason(w, http.StatusUnauthorized, "The token is not valid for this service")
		return satClaims{}, false
	}
	// OSC's own SDK announces JSON when it deletes.
	return sat, r.Method == http.MethodDelete || !jsonWithoutBody(w, r)
}

func (s *Server) instanceRoutes() {
	s.serviceAPI("GET "+instancesPath, s.listInstances)
	s.serviceAPI("POST "+instancesPath, s.createInstance)
	s.serviceAPI("GET "+instancesPath+"/{name}", s.withInstance(func(w http.ResponseWriter, i serviceInstance) {
		writeJSON(w, http.StatusOK, i)
	}))
	s.serviceAPI("DELETE "+instancesPath+"/{name}", s.deleteInstance)
	s.serviceAPI("GET /health/{name}", s.withInstance(func(w http.ResponseWriter, _ serviceInstance) {
		writeJSON(w, http.StatusOK, map[string]string{"health": "running", "status": "running"})
	}))
	s.serviceAPI("GET /logs/{name}", s.withInstance(func(w http.ResponseWriter, i serviceInstance) {
		writeJSON(w, http.StatusOK, []string{"started " + i["name"].(string)})
	}))
	s.serviceAPI("GET /ports/{name}", s.withInstance(func(w http.ResponseWriter, _ serviceInstance) {
		writeJSON(w, http.StatusOK, []struct{}{})
	}))
	s.serviceAPI("POST /restart/{name}", s.withInstance(func(w http.ResponseWriter, _ serviceInstance) {
		w.WriteHeader(http.StatusNoContent)
	}))
}

func instanceKey(sat satClaims, name string) string {
	return sat.TenantID + "/" + sat.ServiceID + "/" + name
}

func (s *Server) listInstances(w http.ResponseWriter, _ *http.Request, sat satClaims) {
	list := []serviceInstance{}
	s.mu.Lock()
	s.instances.each(s.now(), func(key string, i serviceInstance) {
		if strings.HasPrefix(key, instanceKey(sat, "")) {
			list = append(list, i)
		}
	})
	s.mu.Unlock()
	writeJSON(w, http.StatusOK, list)
}

func (s *Server) createInstance(w http.ResponseWriter, r *http.Request, sat satClaims) {
	var wanted serviceInstance
	if !readJSON(w, r, &wanted) {
		return
	}
	name, _ := wanted["name"].(string)
	if !instanceName.MatchString(name) {
		writeFastify(w, http.StatusBadRequest, "FST_ERR_VALIDATION", `body/name must match pattern "^[a-z0-9]+$"`)
		return
	}
	made := maps.Clone(wanted)
	made["url"] = s.instanceURL(r, sat, name)
	made["_links"] = map[string]any{
		"health": link("/health/" + name), "logs": link("/logs/" + name), "ports": link("/ports/" + name), "restart": link("/restart/" + name),
	}
	s.mu.Lock()
	_, taken := s.instances.get(instanceKey(sat, name), s.now())
	if !taken {
		s.instances.put(instanceKey(sat, name), made, time.Time{}, s.now())
	}
	s.mu.Unlock()
	if taken {
		writeFastify(w, http.StatusConflict, "", "An instance of that name exists")
		return
	}
	writeJSON(w, http.StatusCreated, made)
}

func link(path string) map[string]string { return map[string]string{"href": path} }

func (s *Server) deleteInstance(w http.ResponseWriter, r *http.Request, sat satClaims) {
	key := instanceKey(sat, r.PathValue("name"))
	s.mu.Lock()
	_, ok := s.instances.get(key, s.now())
	s.instances.delete(key)
	s.mu.Unlock()
	if !ok {
		writeFastify(w, http.StatusNotFound, "", "Instance not found")
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// withInstance answers for an instance that is there.
func (s *Server) withInstance(h func(http.ResponseWriter, serviceInstance)) func(http.ResponseWriter, *http.Request, satClaims) {
	return func(w http.ResponseWriter, r *http.Request, sat satClaims) {
		s.mu.Lock()
		found, ok := s.instances.get(instanceKey(sat, r.PathValue("name")), s.now())
		s.mu.Unlock()
		if !ok {
			writeFastify(w, http.StatusNotFound, "", "Instance not found")
			return
		}
		h(w, found)
	}
}

// serviceURL is what the catalogue says of a service: the API's own host, for
// who asks at OSC's host names.
func (s *Server) serviceURL(r *http.Request, service string) string {
	if domain, ok := strings.CutPrefix(strings.ToLower(r.Host), "catalog.svc."); ok {
		return "https://api-" + service + ".auto." + domain + instancesPath
	}
	return s.base(r) + "/instance-api/" + service + instancesPath
}

// instanceURL is where an instance is reached.
func (s *Server) instanceURL(r *http.Request, sat satClaims, name string) string {
	if domain, ok := strings.CutPrefix(strings.ToLower(r.Host), "api-"+sat.ServiceID+".auto."); ok {
		return "https://" + sat.TenantID + "-" + name + "." + sat.ServiceID + ".auto." + domain
	}
	return s.base(r) + "/instance/" + sat.ServiceID + "/"
}
