package upstream

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
)

// redacted is what a Field shows of itself.
const redacted = "REDACTED"

// ErrNoToken says that a request was to carry a token and none was there. It
// has not been sent: an application that gets no token of the user may act with
// its owner's instead.
var ErrNoToken = errors.New("upstream: the request has to carry a token and there is none")

// Field is one header field that the gateway sends to the upstream. Its value
// can be put on the wire and not be printed, logged or marshalled.
type Field struct {
	name   string
	value  *string // a pointer, as fmt and dumpers look into everything else
	secret int     // from here on it must not come back; 0 for nothing of it
	token  bool
}

// NewField returns a field whose value ends in a credential; before it stand so
// many bytes of a scheme, such as the seven of "Bearer ". The credential is kept
// out of the upstream's answers. The value is not copied here, nor by the
// functions below, and must not change.
func NewField(name string, value *string, scheme int) Field {
	return Field{http.CanonicalHeaderKey(name), value, 1 + scheme, true}
}

// NewHandle returns a field whose value is kept out of the upstream's answers
// and is no token: it can only be traded for one elsewhere.
func NewHandle(name string, value *string) Field {
	return Field{http.CanonicalHeaderKey(name), value, 1, false}
}

// NewIdentity returns a field whose value describes the user. The upstream may
// repeat it in an answer.
func NewIdentity(name string, value *string) Field {
	return Field{http.CanonicalHeaderKey(name), value, 0, false}
}

// Name returns the canonical name of the field.
func (f Field) Name() string { return f.name }

// String keeps the value out of text.
func (f Field) String() string { return redacted }

// Format keeps the value out of every verb of package fmt.
func (f Field) Format(s fmt.State, _ rune) { _, _ = fmt.Fprint(s, redacted) }

// LogValue keeps the value out of logs.
func (f Field) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalJSON keeps the value out of JSON.
func (f Field) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// wire returns the value; empty for the zero Field.
func (f Field) wire() string {
	if f.value == nil {
		return ""
	}
	return *f.value
}

// credential returns the value without its scheme ("Bearer"): what must not
// come back; empty where nothing must not.
func (f Field) credential() string {
	if f.value == nil || f.secret == 0 {
		return ""
	}
	return (*f.value)[f.secret-1:]
}

// Injection is what the gateway has to say about one request: to the upstream
// in Fields, about the answer in Private. It must not change once it is in a
// context. A nil *Injection says nothing.
type Injection struct {
	// Fields are set on the request, each exactly once.
	Fields []Field

	// Required makes a request without a token fail with ErrNoToken.
	Required bool

	// Private keeps shared caches from storing the answer (RFC 9111 §3.5
	// protects only answers to requests with Authorization; here the client
	// sends a cookie).
	Private bool

	// Vary says that the answer would be another one with another cookie.
	Vary bool

	// Client is who sent the request, for another gate further on; nil where no
	// cookies came.
	Client Client

	// Session is whose token it is; nil where nobody is to be told of streams and
	// refusals.
	Session Session

	// Hygiene is that of the site. Nil: the one of the Transport, and where
	// that has none either, one that knows only what every site reserves.
	Hygiene *Hygiene
}

// Client knows the Cookie lines as the client sent them. They go nowhere but to
// another gate of the site; an interface can't be printed.
type Client interface{ Cookies() []string }

// Check returns ErrNoToken when the request needs a token and Fields hold none.
func (inj *Injection) Check() error {
	if inj == nil || !inj.Required {
		return nil
	}
	for _, field := range inj.Fields {
		if field.token && field.credential() != "" {
			return nil
		}
	}
	return ErrNoToken
}

// hygiene returns the rules that apply, other being the second choice.
func (inj *Injection) hygiene(other *Hygiene) *Hygiene {
	switch {
	case inj != nil && inj.Hygiene != nil:
		return inj.Hygiene
	case other != nil:
		return other
	}
	return standard
}

// sets reports whether one of the fields is called name, in any spelling.
func (inj *Injection) sets(name string) bool {
	if inj == nil {
		return false
	}
	for _, field := range inj.Fields {
		if SameField(field.name, name) {
			return true
		}
	}
	return false
}

// apply sets the fields on header.
func (inj *Injection) apply(header http.Header) {
	if inj == nil {
		return
	}
	values := make([]string, len(inj.Fields)) // one allocation for all fields
	for i, field := range inj.Fields {
		values[i] = field.wire()
		header[field.name] = values[i : i+1 : i+1]
	}
}

type injectionKey struct{}

// WithInjection returns a context that carries inj to the Transport.
func WithInjection(ctx context.Context, inj *Injection) context.Context {
	return context.WithValue(ctx, injectionKey{}, inj)
}

// InjectionFrom returns the Injection of ctx, or nil.
func InjectionFrom(ctx context.Context) *Injection {
	inj, _ := ctx.Value(injectionKey{}).(*Injection)
	return inj
}

// Inject sets the fields of inj on r.Header in place, for a chain of handlers
// that does not end in a Transport. All else that only the gateway may write is
// deleted first, in every spelling, and taken out of Connection. Calling undo
// when the next handler has returned removes the fields again, so that error
// routes and logs do not see them. Inject does not look at Required: call Check.
func (h *Hygiene) Inject(r *http.Request, inj *Injection) (undo func()) {
	if inj == nil {
		return func() {}
	}
	if r.Header == nil {
		r.Header = make(http.Header)
	}
	header := r.Header
	h.vacate(header, inj)
	inj.apply(header)
	return func() {
		for _, field := range inj.Fields {
			delete(header, field.name)
			delete(r.Header, field.name) // a handler may have replaced the map
		}
	}
}

// vacate deletes from header what only the gateway may write and what inj is
// going to set, also from what Connection names.
func (h *Hygiene) vacate(header http.Header, inj *Injection) {
	for name, values := range header {
		if h.reserved(name) || inj.sets(name) {
			delete(header, name)
		} else if SameField(name, "Connection") {
			put(header, name, pruneList(values, func(name string) bool { return h.reserved(name) || inj.sets(name) }))
		}
	}
}
