package caddymodule

import (
	"errors"
	"strconv"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/Eyevinn/osc-gateway/internal/osc"
	"github.com/Eyevinn/osc-gateway/internal/pages"
	"github.com/Eyevinn/osc-gateway/internal/tokens"
)

// collectors are made once and registered with every configuration's registry,
// so that they go on counting across reloads and stay visible. Labels are
// closed lists: never a user, a host or a path.
var collectors = struct {
	requests      *prometheus.CounterVec
	refusals      *prometheus.CounterVec
	signIns       *prometheus.CounterVec
	sessionEnds   *prometheus.CounterVec
	refreshes     *prometheus.CounterVec
	refreshWaits  prometheus.Histogram
	providerCalls *prometheus.HistogramVec
	storeCalls    *prometheus.HistogramVec
	storeErrors   *prometheus.CounterVec
}{
	requests:     counter("requests_total", "Requests by what their route asks and what came of them.", "policy", "outcome"),
	refusals:     counter("refusals_total", "Requests that did not go on, by reason.", "reason"),
	signIns:      counter("sign_ins_total", "Sign-ins that came back from the provider, by result.", "result"),
	sessionEnds:  counter("session_ends_total", "Sessions that ended, by reason.", "reason"),
	refreshes:    counter("refreshes_total", "Refreshes of tokens, by result.", "result"),
	refreshWaits: prometheus.NewHistogram(histogram("refresh_wait_seconds", "How long requests waited for a refresh. Most never do.", prometheus.DefBuckets)),
	providerCalls: prometheus.NewHistogramVec(histogram("provider_request_duration_seconds",
		"Calls to the provider, by endpoint and status code; 0 is no answer.", prometheus.DefBuckets), []string{"endpoint", "code"}),
	storeCalls: prometheus.NewHistogramVec(histogram("store_request_duration_seconds",
		"Calls to the store, by operation; what is known without asking it is none.",
		[]float64{.00001, .0001, .0005, .001, .005, .01, .05, .1, .5, 1, 2.5}), []string{"op"}),
	storeErrors: counter("store_errors_total", "Store calls that were not answered, by operation.", "op"),
}

const (
	metricsNamespace = "caddy"
	metricsSubsystem = "osc_auth"
)

func counter(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: metricsNamespace, Subsystem: metricsSubsystem, Name: name, Help: help,
	}, labels)
}

func histogram(name, help string, buckets []float64) prometheus.HistogramOpts {
	return prometheus.HistogramOpts{Namespace: metricsNamespace, Subsystem: metricsSubsystem, Name: name, Help: help, Buckets: buckets}
}

// figures are read when somebody asks for the metrics.
var figures = []prometheus.Collector{
	gauge("sessions", "Living sessions this process has seen and keeps fresh.", func(f tokens.Figures) int { return f.Sessions }),
	gauge("sessions_overdue", "Sessions whose refresh in the background is due and has not begun.", func(f tokens.Figures) int { return f.Overdue }),
	gauge("sessions_paused", "Sessions whose refresh failed and that wait before the next try.", func(f tokens.Figures) int { return f.Paused }),
	gauge("sessions_unsaved", "Sessions whose token is in memory only, since the store did not take it.", func(f tokens.Figures) int { return f.Unsaved }),
	gauge("streams", "Open WebSockets and other streams of signed-in visitors.", func(f tokens.Figures) int { return f.Streams }),
}

func gauge(name, help string, read func(tokens.Figures) int) prometheus.GaugeFunc {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Namespace: metricsNamespace, Subsystem: metricsSubsystem, Name: name, Help: help,
	}, func() float64 {
		total := 0
		eachVault(func(vault *tokens.Vault) { total += read(vault.Figures()) })
		return float64(total)
	})
}

// buildInfo says which version this is, which takes Caddy a while to find out.
var buildInfo = sync.OnceValue(func() prometheus.Collector {
	version, _ := caddy.Version()
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Namespace: metricsNamespace, Subsystem: metricsSubsystem, Name: "build_info",
		Help: "1, with the version as a label.", ConstLabels: prometheus.Labels{"version": version},
	}, func() float64 { return 1 })
})

func allCollectors() []prometheus.Collector {
	return append([]prometheus.Collector{
		collectors.requests, collectors.refusals, collectors.signIns, collectors.sessionEnds, collectors.refreshes,
		collectors.refreshWaits, collectors.providerCalls, collectors.storeCalls, collectors.storeErrors, buildInfo(),
	}, figures...)
}

// registerMetrics makes the collectors visible under a configuration.
func registerMetrics(ctx caddy.Context) error {
	registry := ctx.GetMetricsRegistry()
	if registry == nil {
		return nil
	}
	for _, collector := range allCollectors() {
		var already prometheus.AlreadyRegisteredError
		if err := registry.Register(collector); err != nil && !errors.As(err, &already) {
			return err
		}
	}
	return nil
}

// counted is a counter of every policy and outcome, found once and not with each
// request. What is in the lists shows as 0 before it first happens.
type counted struct{ policy, outcome string }

var requestCounters = func() map[counted]prometheus.Counter {
	counters := map[counted]prometheus.Counter{}
	for _, policy := range []string{"public", "optional", "api", "required"} {
		for _, outcome := range []string{"passed", "anonymous", "challenged", "refused", "unavailable"} {
			counters[counted{policy, outcome}] = collectors.requests.WithLabelValues(policy, outcome)
		}
	}
	return counters
}()

// countRequest is called with every request.
func countRequest(policy, outcome string) {
	if ready := requestCounters[counted{policy, outcome}]; ready != nil {
		ready.Inc()
		return
	}
	collectors.requests.WithLabelValues(policy, outcome).Inc()
}

// What is alerted on is there from the start: a counter that appears with its
// first count shows no increase.
func init() {
	for _, reason := range pages.Reasons() {
		collectors.refusals.WithLabelValues(string(reason))
	}
	for _, reason := range tokens.EndReasons() {
		collectors.sessionEnds.WithLabelValues(string(reason))
	}
	for _, result := range []string{"ok", "rejected", "failed", "unsaved"} {
		collectors.refreshes.WithLabelValues(result)
	}
	collectors.signIns.WithLabelValues("ok")
}

// eachVault visits the vaults that are open.
func eachVault(visit func(*tokens.Vault)) {
	runtimes.Range(func(_, value any) bool {
		if rt, ok := value.(*runtime); ok {
			if vault := rt.opened(); vault != nil {
				visit(vault)
			}
		}
		return true
	})
}

// observeProvider measures a call to the provider.
func observeProvider(endpoint osc.Endpoint, status int, took time.Duration) {
	collectors.providerCalls.WithLabelValues(string(endpoint), strconv.Itoa(status)).Observe(took.Seconds())
}
