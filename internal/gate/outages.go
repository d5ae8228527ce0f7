package gate

import (
	"sync"
	"time"

	"github.com/Eyevinn/osc-gateway/internal/pages"
)

// maxRetry is how long a page that loads itself again may wait.
const maxRetry = time.Minute

// outages remembers since when something has been away, so that pages left open
// ask less often the longer it lasts: a quarter of that time, and a minute at
// most. Nothing in a browser has to count for it.
type outages struct {
	mu  sync.Mutex
	ofs map[pages.Reason]outage
}

// outage is one that goes on. It is over when no page came back in time.
type outage struct{ since, until time.Time }

// retry is when a page refused for reason loads itself again, but not before
// least.
func (o *outages) retry(reason pages.Reason, least time.Duration, now time.Time) time.Duration {
	o.mu.Lock()
	defer o.mu.Unlock()
	current, goesOn := o.ofs[reason]
	if !goesOn || now.After(current.until) {
		current.since = now
	}
	wait := max(least, min(now.Sub(current.since)/4, maxRetry))
	current.until = now.Add(2*wait + retryDefault) // a page that loads slowly is still the same one
	if o.ofs == nil {
		o.ofs = map[pages.Reason]outage{}
	}
	o.ofs[reason] = current
	return wait
}
