package caddymodule

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/Eyevinn/osc-gateway/internal/osc"
)

// Where Caddy's directive `tracing` is on, a request's context holds a span, and
// what the gateway asks the provider and the store meanwhile is a span below it.
// Without it there is nothing to do. A refresh goes on behind the request that
// began it and belongs to its trace all the same.

const tracerName = "github.com/Eyevinn/osc-gateway"

// span is one call under way; the zero value is for a request nobody traces.
type span struct{ trace.Span }

func isTraced(ctx context.Context) bool { return trace.SpanFromContext(ctx).IsRecording() }

// beginSpan begins a span below that of the context. Attributes name what was
// asked, never with what.
func beginSpan(ctx context.Context, name string, attributes ...attribute.KeyValue) (context.Context, span) {
	tracer := trace.SpanFromContext(ctx).TracerProvider().Tracer(tracerName)
	ctx, s := tracer.Start(ctx, name, trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(attributes...))
	return ctx, span{s}
}

// end ends the span; failure is a fixed sentence, "" where there was none. What
// an error says in its own words stands in the log.
func (s span) end(failure string) {
	if s.Span == nil {
		return
	}
	if failure != "" {
		s.SetStatus(codes.Error, failure)
	}
	s.End()
}

// traceProvider is told of a call to the provider, and returns what is told of
// its answer: the status, 0 for none.
func traceProvider(ctx context.Context, endpoint osc.Endpoint) (context.Context, func(status int)) {
	if !isTraced(ctx) {
		return ctx, nil
	}
	ctx, s := beginSpan(ctx, "osc_auth provider "+string(endpoint), attribute.String("osc_auth.endpoint", string(endpoint)))
	return ctx, func(status int) {
		s.SetAttributes(attribute.Int("http.response.status_code", status))
		switch {
		case status == 0:
			s.end("no answer")
		case status >= 400:
			s.end("refused")
		default:
			s.end("")
		}
	}
}
