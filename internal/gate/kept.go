package gate

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/Eyevinn/osc-gateway/internal/browser"
	"github.com/Eyevinn/osc-gateway/internal/pages"
)

const (
	maxKeeping  = 16       // forms that are read at a time
	maxForm     = 64 << 10 // bytes of a form that is kept
	maxFields   = 1000
	maxResumed  = 1 << 20 // bytes of a form that comes back, sealed
	formTimeout = 10 * time.Second

	formURLEncoded = "application/x-www-form-urlencoded"
	formMultipart  = "multipart/form-data"
)

// keptForm is what is sealed: a form, and whose session it was sent with, "" where
// that is not known.
type keptForm struct {
	pages.Form
	User string `json:"u,omitempty"`
}

// keepForm answers a form that came when the session was over. It is not passed
// on, and it is not lost: the browser's tab is given it, sealed, until the person
// is signed in again. The server itself keeps nothing of somebody it does not know.
func (g *Gate) keepForm(w http.ResponseWriter, r *http.Request, why refusal) error {
	site, desk, refused := g.at(r)
	if refused != nil || browser.Cross(r, site.Origin, nil) != browser.SameOrigin {
		return g.refuse(w, r, why)
	}
	var sealed string
	form, err := g.readForm(w, r)
	if err != nil {
		leaveBody(w, r)
	} else if sealed, err = g.sealForm(desk, g.realm(site), keptForm{Form: form, User: why.user}); err != nil {
		return err
	}
	g.cfg.Observer.Refused(r, why.reason)
	view := why.view()
	view.Reference, view.SignInURL = g.reference(), g.path(pathSignIn)
	g.log(r, why, view.Reference)
	g.cfg.Pages.Kept(w, view, sealed, g.with(pathSignIn, paramResume, "1"))
	return nil
}

// errNotKept says that a form can't be sent again as it was.
var errNotKept = errors.New("a form that cannot be kept")

// readForm reads a form that can be sent again, bounded in bytes, in time and in
// how many are read at once.
func (g *Gate) readForm(w http.ResponseWriter, r *http.Request) (pages.Form, error) {
	requestURI, _ := g.cfg.Original(r)
	action := browser.ReturnPath(requestURI, g.cfg.Endpoints)
	media, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || media != formURLEncoded && media != formMultipart || r.ContentLength > maxForm || action == "/" && !isHome(requestURI) {
		return pages.Form{}, errNotKept
	}
	control := http.NewResponseController(w)
	if !g.readers.begin(control) {
		return pages.Form{}, errNotKept
	}
	body, err := g.readBody(w, r, maxForm)
	g.readers.end(control)
	if err != nil {
		return pages.Form{}, err
	}
	fields, err := parseFields(media, params["boundary"], body)
	return pages.Form{Action: action, Enctype: media, Fields: fields}, err
}

// isHome tells whether a target is the start page itself.
func isHome(requestURI string) bool { return requestURI == "/" || requestURI == "/?" }

// readBody reads a body of at most limit bytes, unless it takes too long.
func (g *Gate) readBody(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, error) {
	control := http.NewResponseController(w)
	limited := control.SetReadDeadline(g.cfg.Now().Add(formTimeout)) == nil
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	if limited && err == nil { // what is left of a body that took too long is not waited for either
		_ = control.SetReadDeadline(time.Time{})
	}
	return body, err
}

// formReaders are the bodies of forms under way. Anybody can send one, and as slowly
// as they like. So where there are too many the one that has taken longest makes
// place: those of people take a moment.
type formReaders struct {
	mu       sync.Mutex
	underWay []*http.ResponseController // the oldest first
}

// longAgo is a deadline that is over by any clock.
var longAgo = time.Unix(1, 0)

// begin makes place for one more. False where nobody can be stopped.
func (f *formReaders) begin(control *http.ResponseController) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.underWay) >= maxKeeping {
		if f.underWay[0].SetReadDeadline(longAgo) != nil {
			return false
		}
		f.underWay = slices.Delete(f.underWay, 0, 1)
	}
	f.underWay = append(f.underWay, control)
	return true
}

func (f *formReaders) end(control *http.ResponseController) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.underWay = slices.DeleteFunc(f.underWay, func(other *http.ResponseController) bool { return other == control })
}

// parseFields takes a form apart, in order. What a page of ours could not send
// again just so is refused: files, and what is not text.
func parseFields(media, boundary string, body []byte) (fields []pages.Field, err error) {
	if media == formMultipart {
		fields, err = parseMultipart(body, boundary)
	} else {
		fields, err = parseURLEncoded(string(body))
	}
	if err != nil || len(fields) > maxFields {
		return nil, errNotKept
	}
	for _, field := range fields {
		if field.Name == "" || !isText(field.Name) || !isText(field.Value) {
			return nil, errNotKept
		}
	}
	return fields, nil
}

// isText tells whether HTML can hold a string as it is.
func isText(s string) bool { return utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 }

func parseURLEncoded(body string) (fields []pages.Field, err error) {
	for pair := range strings.SplitSeq(body, "&") {
		if pair == "" {
			continue
		}
		name, value, _ := strings.Cut(pair, "=")
		if name, err = url.QueryUnescape(name); err == nil {
			value, err = url.QueryUnescape(value)
		}
		if err != nil {
			return nil, err
		}
		fields = append(fields, pages.Field{Name: name, Value: value})
	}
	return fields, nil
}

func parseMultipart(body []byte, boundary string) (fields []pages.Field, err error) {
	if !bytes.HasSuffix(bytes.TrimRight(body, "\r\n"), []byte("--"+boundary+"--")) { // the reader takes one that is cut for whole
		return nil, errNotKept
	}
	reader := multipart.NewReader(bytes.NewReader(body), boundary)
	for {
		part, err := reader.NextRawPart()
		if errors.Is(err, io.EOF) {
			return fields, nil
		}
		if err != nil {
			return nil, err
		}
		value, err := io.ReadAll(part)
		if err != nil {
			return nil, err
		}
		_, params, err := mime.ParseMediaType(part.Header.Get("Content-Disposition"))
		if err != nil {
			return nil, err
		}
		filename, isFile := params["filename"]
		if isFile && (filename != "" || len(value) > 0) {
			return nil, errNotKept
		}
		fields = append(fields, pages.Field{Name: params["name"], Value: string(value), File: isFile})
	}
}

func (g *Gate) sealForm(desk *desk, realm string, form keptForm) (string, error) {
	plain, err := json.Marshal(form)
	if err != nil {
		return "", err
	}
	sealed, err := desk.keys.SealForm(g.cfg.Random, g.cfg.Now(), realm, plain)
	return base64.RawURLEncoding.EncodeToString(sealed), err
}

// resume is where a sign-in ends that was made for a form: a page that has the
// tab hand it over, and then one that shows where it goes and asks.
func (g *Gate) resume(w http.ResponseWriter, r *http.Request) error {
	if r.Method == http.MethodGet && !browser.MayStartSignIn(r) {
		return g.refuse(w, r, refusal{reason: pages.BadRequest, status: http.StatusForbidden})
	}
	site, desk, refused := g.at(r)
	if refused != nil {
		return g.refuse(w, r, *refused)
	}
	if r.Method == http.MethodPost && browser.Cross(r, site.Origin, nil) != browser.SameOrigin {
		return g.refuse(w, r, refusal{reason: pages.CrossOrigin})
	}
	_, session, refused := g.glance(r, desk, site)
	switch {
	case refused != nil && refused.challenge:
		return g.startSignIn(w, r, signInStart{resume: true, because: refused.reason, clearSession: refused.clear})
	case refused != nil:
		return g.refuse(w, r, *refused)
	case r.Method == http.MethodGet:
		g.cfg.Pages.Resume(w, g.path(pathResume))
		return nil
	}
	form, ok := g.openForm(w, r, desk, g.realm(site))
	switch {
	case !ok:
		g.cfg.Pages.Gone(w, false)
	case form.User != "" && form.User != session.User:
		g.cfg.Pages.Gone(w, true)
	default:
		g.cfg.Pages.Offer(w, form.Form)
	}
	return nil
}

// openForm opens the form that a tab hands over.
func (g *Gate) openForm(w http.ResponseWriter, r *http.Request, desk *desk, realm string) (form keptForm, ok bool) {
	body, err := g.readBody(w, r, maxResumed)
	if err != nil {
		leaveBody(w, r)
		return keptForm{}, false
	}
	values, err := url.ParseQuery(string(body))
	if err != nil || len(values["kept"]) != 1 {
		return keptForm{}, false
	}
	sealed, err := base64.RawURLEncoding.Strict().DecodeString(values.Get("kept"))
	if err != nil {
		return keptForm{}, false
	}
	plain, ok := desk.keys.OpenForm(g.cfg.Now(), realm, sealed)
	if !ok || json.Unmarshal(plain, &form) != nil {
		return keptForm{}, false
	}
	// What was right when it was sealed is judged by the configuration of now.
	return form, browser.ReturnPath(form.Action, g.cfg.Endpoints) == form.Action
}
