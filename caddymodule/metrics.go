package caddymodule

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/Eyevinn/osc-gateway/internal/osc"
	"github.com/Eyevinn/osc-gateway/internal/tokens"
)

// collectors are made once and registered with every configuration's registry,
// so that they go on counting across reloads and stay visible. Labels are
// closed lists: never a user, a host or a path.
var collectors = struct {
	requests       *prometheus.CounterVec
	signIns        *prometheus.CounterVec
	sessionEnds    *prometheus.CounterVec
	refreshes      *prometheus.CounterVec
	providerCalls  *prometheus.HistogramVec
	storeErrors    *prometheus.CounterVec
	livingSessions prometheus.GaugeFunc
}{
	requests:    counter("requests_total", "Requests by what their route asks and what came of them.", "policy", "outcome"),
	signIns:     counter("sign_ins_total", "Sign-ins that came back from the provider, by result.", "result"),
	sessionEnds: counter("session_ends_total", "Sessions that ended, by reason.", "reason"),
	refreshes:   counter("refreshes_total", "Refreshes of tokens, by result.", "result"),
	storeErrors: counter("store_errors_total", "Store calls that were not answered, by operation.", "op"),
	providerCalls: prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Namespace: metricsNamespace, Subsystem: metricsSubsystem, Name: "provider_request_duration_seconds",
		Help: "Calls to the provider, by endpoint and status code; 0 is no answer.", Buckets: prometheus.DefBuckets,
	}, []string{"endpoint", "code"}),
	livingSessions: prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Namespace: metricsNamespace, Subsystem: metricsSubsystem, Name: "sessions",
		Help: "Living sessions this process has seen and keeps fresh.",
	}, countSessions),
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

// registerMetrics makes the collectors visible under a configuration.
func registerMetrics(ctx caddy.Context) error {
	registry := ctx.GetMetricsRegistry()
	if registry == nil {
		return nil
	}
	for _, collector := range []prometheus.Collector{
		collectors.requests, collectors.signIns, collectors.sessionEnds, collectors.refreshes,
		collectors.providerCalls, collectors.storeErrors, collectors.livingSessions,
	} {
		var already prometheus.AlreadyRegisteredError
		if err := registry.Register(collector); err != nil && !errors.As(err, &already) {
			return err
		}
	}
	return nil
}

func countSessions() float64 {
	total := 0
	eachVault(func(vault *tokens.Vault) { total += vault.Sessions() })
	return float64(total)
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

// meteredStore counts the calls a store did not answer.
type meteredStore struct{ tokens.Store }

func counted(op string, err error) error {
	switch {
	case err == nil, errors.Is(err, tokens.ErrAbsent), errors.Is(err, tokens.ErrExists), errors.Is(err, tokens.ErrConflict),
		errors.Is(err, tokens.ErrHeld), errors.Is(err, tokens.ErrFull), errors.Is(err, context.Canceled):
	default:
		collectors.storeErrors.WithLabelValues(op).Inc()
	}
	return err
}

// Create counts.
func (s *meteredStore) Create(ctx context.Context, name tokens.Name, record tokens.Record) error {
	return counted("create", s.Store.Create(ctx, name, record))
}

// Load counts.
func (s *meteredStore) Load(ctx context.Context, name tokens.Name) (tokens.Record, error) {
	record, err := s.Store.Load(ctx, name)
	return record, counted("load", err)
}

// Replace counts.
func (s *meteredStore) Replace(ctx context.Context, name tokens.Name, record tokens.Record) error {
	return counted("replace", s.Store.Replace(ctx, name, record))
}

// Delete counts.
func (s *meteredStore) Delete(ctx context.Context, name tokens.Name) error {
	return counted("delete", s.Store.Delete(ctx, name))
}

// Lease counts.
func (s *meteredStore) Lease(ctx context.Context, name tokens.Name, holder string, ttl time.Duration) error {
	return counted("lease", s.Store.Lease(ctx, name, holder, ttl))
}

// Close closes the store behind.
func (s *meteredStore) Close() error {
	if closer, ok := s.Store.(interface{ Close() error }); ok {
		return closer.Close()
	}
	return nil
}
