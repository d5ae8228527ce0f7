package integration

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// attackFraming is a request that readers may see the end of in more than one
// place, and so another one in the rest.
type attackFraming struct {
	name    string
	framing string // the fields that say how long it is
	body    string
	passed  bool // reaches the app, as one request; else not at all
}

// attackSmuggled is what an app must never be asked.
const attackSmuggled = "GET /smuggled HTTP/1.1\r\nHost: {host}\r\n"

var attackFramings = []attackFraming{
	{"PX-008 both lengths", "Content-Length: 6\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n" + attackSmuggled + "X: y", true},
	{"PX-008 both lengths, and a whole request behind", "Content-Length: 6\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n" + attackSmuggled + "\r\n", true},
	{"PX-008 both lengths the other way round", "Transfer-Encoding: chunked\r\nContent-Length: 60\r\n", "0\r\n\r\n" + attackSmuggled + "\r\n", true},
	{"PX-009 a space before the colon", "Transfer-Encoding : chunked\r\n", "3\r\nabc\r\n0\r\n\r\n", false},
	{"PX-009 an unknown encoding", "Transfer-Encoding: xchunked\r\n", "3\r\nabc\r\n0\r\n\r\n", false},
	{"PX-009 an encoding too many", "Transfer-Encoding: chunked, identity\r\n", "3\r\nabc\r\n0\r\n\r\n", false},
	{"PX-009 chunked twice", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "3\r\nabc\r\n0\r\n\r\n", false},
	{"PX-009 a vertical tab", "Transfer-Encoding:\x0bchunked\r\n", "3\r\nabc\r\n0\r\n\r\n", false},
	{"PX-009 two lengths", "Content-Length: 3\r\nContent-Length: 4\r\n", "abc\r\n", false},
	{"PX-009 two lengths in one", "Content-Length: 3, 4\r\n", "abc\r\n", false},
	{"PX-009 a length with a sign", "Content-Length: +3\r\n", "abc", false},
	{"PX-009 a negative length", "Content-Length: -1\r\n", "abc", false},
	{"PX-009 a chunk's size that ends in a line feed", "Transfer-Encoding: chunked\r\n", "3\nabc\r\n0\r\n\r\n" + attackSmuggled + "\r\n", false},
	{"PX-009 a chunk's extension that ends in a line feed", "Transfer-Encoding: chunked\r\n", "3;\n" + attackSmuggled + "\r\n0\r\n\r\n", false},
	{"PX-009 an endless extension", "Transfer-Encoding: chunked\r\n", "3;a=" + strings.Repeat("b", 1<<20) + "\r\nabc\r\n0\r\n\r\n", false},
	{"PX-009 a chunk's size that is too large", "Transfer-Encoding: chunked\r\n", "fffffffffffffffff\r\nabc\r\n0\r\n\r\n", false},
}

func TestAttacksOnFramingSmuggleNothing(t *testing.T) {
	t.Parallel()
	a := newAttackRig(t, attackSetup{})
	a.signIn("/")
	for _, row := range attackFramings {
		t.Run(row.name, func(t *testing.T) {
			request := attackRequest("POST", "/studio", attackCookie+attackOrigin+row.framing) + "\r\n" + row.body
			statuses := a.pour(t, request)
			requests := a.upstream.take()
			tokens := a.forwarded(t, requests)
			if row.passed && (len(requests) != 1 || tokens != 1 || len(statuses) == 0 || statuses[0] != http.StatusOK) || !row.passed && len(requests) != 0 {
				t.Errorf("%v, the app got %q", statuses, requests)
			}
			if !row.passed && (len(statuses) != 1 || statuses[0] < http.StatusBadRequest) {
				t.Errorf("%v", statuses)
			}
			// What is left may be a request of its own, of nobody, but no more.
			if len(statuses) > 2 || len(statuses) == 2 && statuses[1]/100 != 4 {
				t.Errorf("%v", statuses)
			}
			if strings.Contains(strings.Join(requests, ""), "smuggled") {
				t.Errorf("the app got %q", requests)
			}
			a.alive(t)
		})
	}
}

// pour sends all there is to send, however it is received, and returns the
// statuses of all answers. There is no tap on the way: it is not made for
// requests that are answered before they have been read.
func (a *attackRig) pour(t *testing.T, request string) (statuses []int) {
	t.Helper()
	conn, err := net.Dial("tcp", a.gateway.address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	go io.WriteString(conn, a.expand(request))
	from := bufio.NewReader(conn)
	for {
		answer, err := http.ReadResponse(from, nil)
		if err != nil {
			return statuses
		}
		if _, err := io.Copy(io.Discard, answer.Body); err != nil {
			return statuses
		}
		statuses = append(statuses, answer.StatusCode)
		conn.(*net.TCPConn).CloseWrite() // not before: who hangs up wants no answer
	}
}
