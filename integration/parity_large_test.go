package integration

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strconv"
	"strings"
	"testing"
)

const mebibyte = 1 << 20

// zeros are a body of that many bytes.
func zeros(size int64) io.Reader { return io.LimitReader(endless{}, size) }

type endless struct{}

func (endless) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestParityOfLargeBodiesWhichNobodyKeeps(t *testing.T) {
	t.Parallel()
	const size, allowed = 64 * mebibyte, 32 * mebibyte
	arrived := make(chan int64, 1)
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		count, _ := io.Copy(io.Discard, r.Body)
		arrived <- count
		io.Copy(w, zeros(count))
	}))
	t.Cleanup(app.Close)
	w := newWorld(t, setup{site: "\tosc_proxy " + app.Listener.Addr().String() + "\n"})
	w.quickly()
	v := w.visitor()
	v.toCallbackAndIn(t)
	v.client.Transport.(*http.Transport).DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, w.gateway.address) // the tap would keep it all
	}
	before := 0
	for _, size := range []int64{mebibyte, size} {
		answer := v.stream(zeros(size))
		count, err := io.Copy(io.Discard, answer.Body)
		answer.Body.Close()
		if got := <-arrived; got != size || count != size || err != nil {
			t.Errorf("of %d bytes %d arrived and %d came back: %v", size, got, count, err)
		}
		if before == 0 {
			before = w.gateway.memory()
		}
	}
	if grown := w.gateway.memory() - before; grown > allowed {
		t.Errorf("the gateway grew by %d MiB", grown/mebibyte)
	}
}

// stream uploads a body and returns the answer to read.
func (v *visitor) stream(body io.Reader) *http.Response {
	v.t.Helper()
	request, err := http.NewRequest(http.MethodPost, v.base+"/upload", body)
	if err != nil {
		v.t.Fatal(err)
	}
	request.Header.Set("Origin", v.base)
	answer, err := v.client.Do(request)
	if err != nil {
		v.t.Fatal(err)
	}
	return answer
}

// memory is what the gateway takes of the machine's, in bytes.
func (g *gateway) memory() int {
	g.t.Helper()
	text, err := exec.Command("ps", "-o", "rss=", "-p", strconv.Itoa(g.cmd.Process.Pid)).Output()
	if err != nil {
		g.t.Fatal(err)
	}
	kibibytes, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		g.t.Fatal(err)
	}
	return kibibytes << 10
}
