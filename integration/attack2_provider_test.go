package integration

import (
	"bytes"
	"compress/gzip"
	"net/http"
	"testing"
	"time"
)

// attack2Endless is a token response that does not end by itself.
type attack2Endless struct {
	id, what string
	headers  map[string]string
	chunk    []byte
	pause    time.Duration // between chunks
	most     int           // bytes that may be sent before the gateway hangs up; 0: any
}

// attack2Zeros are a megabyte of them, as a gzip member: any number of members is one
// gzip stream.
func attack2Zeros(t testing.TB) []byte {
	t.Helper()
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	_, err := w.Write(make([]byte, 1<<20))
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return packed.Bytes()
}

func attack2Endlessly(t *testing.T) {
	a := newAttack2(t, setup{})
	json := map[string]string{"Content-Type": "application/json"}
	const buffers = 32 << 20 // what may be on its way on this machine
	zeros := attack2Zeros(t)
	rows := map[string]func(*testing.T){}
	for _, c := range []attack2Endless{
		{"TE-006", "a token without end", json, bytes.Repeat([]byte("a"), 64<<10), 0, buffers},
		{"TE-007", "a bomb", map[string]string{"Content-Type": "application/json", "Content-Encoding": "gzip"}, zeros, 5 * time.Millisecond, 400 * len(zeros)},
		{"TE-008", "a byte now and then", json, []byte(" "), 200 * time.Millisecond, 0},
		{"TE-009", "nothing at all", json, nil, 0, 0},
	} {
		v := a.browser(t)
		callback := v.toCallback(v.open("/studio"))
		rows[c.id+" "+c.what] = func(t *testing.T) { a.tryEndless(t, v, callback, c) }
	}
	rows["DC-005 nothing at all"] = func(t *testing.T) {
		a.tryRegistration(t, attack2Registration{what: "hang", reply: func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() }})
	}
	attack2AtOnce(t, rows)
}

// tryEndless comes back from the provider, which answers without end, and
// checks that the gateway hangs up and nobody else has to wait.
func (a *attack2) tryEndless(t *testing.T, v *visitor, callback string, c attack2Endless) {
	code := attack2Query(t, callback).Get("code")
	begun, ended := make(chan struct{}), make(chan int, 1)
	a.asked.also(func(w http.ResponseWriter, r *http.Request, call attack2Call) bool {
		if call.path != attack2Token || call.form().Get("code") != code {
			return false
		}
		close(begun)
		ended <- c.send(w, r)
		return true
	})
	refused := make(chan answer, 1)
	go func() {
		got, err := v.try(http.MethodGet, callback, navigation, "")
		if err != nil {
			t.Error(err)
		}
		refused <- got
	}()
	<-begun
	other := a.browser(t)
	if page := other.signIn("/studio"); page.Status != http.StatusOK {
		t.Errorf("somebody else: %v", page)
	}
	got := <-refused
	if got.Status != http.StatusServiceUnavailable && got.Status != http.StatusBadGateway || a.held(v) != "" {
		t.Errorf("%v", got)
	}
	a.own(t, got)
	if sent := <-ended; c.most > 0 && sent > c.most {
		t.Errorf("%d bytes were taken", sent)
	}
}

// send sends until the other side hangs up, and returns how much that was.
func (c attack2Endless) send(w http.ResponseWriter, r *http.Request) (sent int) {
	for name, value := range c.headers {
		w.Header().Set(name, value)
	}
	if len(c.chunk) == 0 {
		<-r.Context().Done()
		return 0
	}
	flusher := http.NewResponseController(w)
	for r.Context().Err() == nil {
		n, err := w.Write(c.chunk)
		if sent += n; err != nil || flusher.Flush() != nil {
			return sent
		}
		if c.pause > 0 {
			select {
			case <-r.Context().Done():
			case <-time.After(c.pause):
			}
		}
	}
	return sent
}
