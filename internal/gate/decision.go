package gate

import "net/http"

// Decision is what a gate makes of a request, whoever sends it.
type Decision struct {
	Odd      bool   // refused: programs read the target in more than one way
	Endpoint string // the path of the gateway's own that it asks for
	Route    *Route // else: what is asked
	// Because is the reading of the path that the route is of, where the path as it
	// stands would ask less.
	Because string
	Err     error // refused: a matcher failed

	serve func(http.ResponseWriter, *http.Request) error // the endpoint
}

// Decide tells what ServeHTTP is going to decide.
func (g *Gate) Decide(r *http.Request) Decision {
	requestURI, original := g.cfg.Original(r)
	if isOddTarget(r, requestURI, original) || isOddTarget(r, "", r.URL) {
		return Decision{Odd: true}
	}
	if serve := g.endpoint(original.Path); serve != nil {
		return Decision{Endpoint: original.Path, serve: serve}
	}
	route, because, err := g.route(r)
	return Decision{Route: route, Because: because, Err: err}
}
