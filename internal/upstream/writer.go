package upstream

import (
	"io"
	"net/http"
)

// FilterWriter is for a chain of handlers that may not end in a Transport: what
// is written through it passes the same filter as the Transport's answers.
// Nothing is buffered. done must be called when the handler has returned: it
// filters the trailers, which are sent after that.
func FilterWriter(w http.ResponseWriter, h *Hygiene, inj *Injection) (filtered http.ResponseWriter, done func()) {
	fw := &filterWriter{ResponseWriter: w, hygiene: h, injection: inj}
	return fw, func() { h.dropEchoes(w.Header(), inj) }
}

type filterWriter struct {
	http.ResponseWriter
	hygiene   *Hygiene
	injection *Injection
	wrote     bool // the final header
}

// Unwrap lets http.ResponseController reach what is below.
func (w *filterWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *filterWriter) WriteHeader(status int) {
	switch {
	case w.wrote:
	case status >= 100 && status < 200 && status != http.StatusSwitchingProtocols:
		w.hygiene.dropEchoes(w.Header(), w.injection)
	default:
		w.wrote = true
		w.hygiene.filterHeader(w.Header(), w.injection)
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *filterWriter) Write(b []byte) (int, error) {
	w.begin()
	return w.ResponseWriter.Write(b)
}

// ReadFrom keeps sendfile and pooled copying below working.
func (w *filterWriter) ReadFrom(r io.Reader) (int64, error) {
	w.begin()
	return io.Copy(w.ResponseWriter, r)
}

// FlushError sends the header, so it has to be filtered first.
func (w *filterWriter) FlushError() error {
	w.begin()
	return http.NewResponseController(w.ResponseWriter).Flush()
}

// Flush is for handlers that ask for an http.Flusher.
func (w *filterWriter) Flush() { _ = w.FlushError() }

// Push passes HTTP/2 pushes on.
func (w *filterWriter) Push(target string, opts *http.PushOptions) error {
	if pusher, ok := w.ResponseWriter.(http.Pusher); ok {
		return pusher.Push(target, opts)
	}
	return http.ErrNotSupported
}

func (w *filterWriter) begin() {
	if !w.wrote {
		w.WriteHeader(http.StatusOK)
	}
}
