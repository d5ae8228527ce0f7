package upstream

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"slices"
)

// FilterWriter is for a chain of handlers that may not end in a Transport: what
// is written through it passes the same filter as the Transport's answers.
// Nothing is buffered. Calling end breaks off what the handler is doing; it is
// called when an answer is a stream whose session is over. done must be called
// when the handler has returned: it filters the trailers, which are sent after
// that.
func FilterWriter(w http.ResponseWriter, r *http.Request, h *Hygiene, inj *Injection, end func()) (filtered http.ResponseWriter, done func()) {
	fw := &filterWriter{ResponseWriter: w, request: r, hygiene: h, injection: inj, end: end}
	fw.own = slices.Clone(w.Header()["Set-Cookie"])
	return fw, func() {
		h.dropEchoes(w.Header(), inj)
		fw.keepOwn()
		if fw.closed != nil {
			fw.closed()
		}
	}
}

type filterWriter struct {
	http.ResponseWriter
	request   *http.Request
	hygiene   *Hygiene
	injection *Injection
	end       func()
	own       []string // the cookies the gateway had set before
	closed    func()   // of a stream
	wrote     bool     // the final header
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
		w.tell(status)
		w.hygiene.filterHeader(w.Header(), w.injection)
		w.keepOwn()
	}
	w.ResponseWriter.WriteHeader(status)
}

// keepOwn puts back what the gateway itself says to the browser of its cookies:
// the answer of the app shares its header, and none of its own may.
func (w *filterWriter) keepOwn() {
	header := w.Header()
	for _, line := range w.own {
		if w.hygiene.owns(setCookieName(line)) && !slices.Contains(header["Set-Cookie"], line) {
			header.Add("Set-Cookie", line)
		}
	}
}

// tell tells the session what the answer means to it. Here a request is never
// sent twice; the next one has the newer token.
func (w *filterWriter) tell(status int) {
	if w.injection == nil || w.injection.Session == nil {
		return
	}
	if refusesToken(status, w.Header()) {
		w.injection.Session.Renew(w.request.Context(), false)
	}
	if kind := streamKind(status, w.Header()); kind != "" {
		w.closed = w.injection.Session.Stream(kind, w.end)
	}
}

// Hijack is for handlers that take the connection over and write the answer to
// it themselves. Nothing of that is filtered, but it ends with the session.
func (w *filterWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buffered, err := http.NewResponseController(w.ResponseWriter).Hijack()
	if err == nil && !w.wrote && w.injection != nil && w.injection.Session != nil {
		w.closed = w.injection.Session.Stream(streamKind(http.StatusSwitchingProtocols, w.request.Header), func() {
			w.end()
			_ = conn.Close()
		})
	}
	w.wrote = w.wrote || err == nil
	return conn, buffered, err
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
