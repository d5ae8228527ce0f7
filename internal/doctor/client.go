package doctor

import (
	"context"
	"fmt"

	"github.com/Eyevinn/osc-gateway/internal/osc"
)

// client names the redirect URI of a site, and asks the provider whether it
// knows the configured client by it. A client that registers by itself is not
// asked about: asking would take registering it.
func (d *Doctor) client(ctx context.Context, site Site) []Result {
	if site.Origin == "" {
		return skipped("where browsers reach the site is not known", site.Fix, CheckRedirectURI, CheckClient)
	}
	uri, id := site.redirectURI(), d.Setup.Client.ID
	if id == "" {
		return []Result{
			{Check: CheckRedirectURI, Status: OK, Message: uri + " (registered by the gateway itself)"},
			{Check: CheckClient, Status: OK, Message: "no client_id: the gateway registers a client at the first sign-in"},
		}
	}
	first := Result{Check: CheckRedirectURI, Status: OK, Message: uri + " (exactly this has to be registered for client " + id + ")"}
	provider, err := osc.New(osc.Config{Issuer: d.Setup.Issuer, Transport: d.Transport, Now: d.Now})
	if err != nil {
		return append([]Result{first}, Result{Check: CheckClient, Status: Fail, Message: err.Error(), Fix: issuerFix})
	}
	ctx, cancel := context.WithTimeout(ctx, d.Timeout)
	defer cancel()
	switch provider.Recognize(ctx, d.Setup.Client, uri) {
	case osc.Recognized:
		return []Result{first, {Check: CheckClient, Status: OK, Message: fmt.Sprintf("the provider knows client %s by this redirect URI", id)}}
	case osc.Unrecognized:
		return []Result{first, {
			Check: CheckClient, Status: Fail, Message: fmt.Sprintf("the provider refuses client %s with this redirect URI", id),
			Fix: "register " + uri + " for it, letter by letter; or correct client_id, which belongs to one environment alone; " +
				"or leave client_id out, and the gateway registers by itself",
		}}
	default:
		return []Result{first, {
			Check: CheckClient, Status: Warn, Message: fmt.Sprintf("the provider does not say whether it knows client %s", id),
			Fix: "sign in once",
		}}
	}
}
