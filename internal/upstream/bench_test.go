package upstream

import (
	"context"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/textproto"
	"testing"
)

// browserHeader is what a browser sends with a navigation.
func browserHeader() http.Header {
	return http.Header{
		"Accept":                    {"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"},
		"Accept-Encoding":           {"gzip, deflate, br, zstd"},
		"Accept-Language":           {"en-GB,en;q=0.9"},
		"Cache-Control":             {"max-age=0"},
		"Connection":                {"keep-alive"},
		"Cookie":                    {"theme=dark; _ga=GA1.1.1234567890.1700000000; " + session + "=MTcwMDAwMDAwMHxhYmNkZWZnaGlqa2xtbm9w; lang=en"},
		"Referer":                   {"https://app.example.com/"},
		"Sec-Ch-Ua":                 {`"Chromium";v="140", "Not;A=Brand";v="24"`},
		"Sec-Ch-Ua-Mobile":          {"?0"},
		"Sec-Ch-Ua-Platform":        {`"Linux"`},
		"Sec-Fetch-Dest":            {"document"},
		"Sec-Fetch-Mode":            {"navigate"},
		"Sec-Fetch-Site":            {"same-origin"},
		"Sec-Fetch-User":            {"?1"},
		"Upgrade-Insecure-Requests": {"1"},
		"User-Agent":                {"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0"},
	}
}

func BenchmarkStrip(b *testing.B) {
	h := siteHygiene("authorization")
	r := httptest.NewRequest("GET", "/", nil)
	header := browserHeader()
	cookie := header.Get("Cookie")
	r.Header = maps.Clone(header)
	b.ReportAllocs()
	for b.Loop() {
		r.Header["Cookie"][0] = cookie
		h.Strip(r, true, Claims{})
	}
}

func BenchmarkRoundTrip(b *testing.B) {
	answer := &http.Response{
		StatusCode: 200, ProtoMajor: 1, Body: http.NoBody,
		Header: http.Header{
			"Content-Type": {"text/html"}, "Cache-Control": {"private"}, "Vary": {"Cookie"}, "Date": {"Mon, 02 Jan 2006 15:04:05 GMT"},
			"Etag": {`"abc"`}, "Set-Cookie": {"app=1; Path=/"}, "Server": {"x"},
		},
	}
	base := roundTrip(func(*http.Request) (*http.Response, error) { return answer, nil })
	forwarding := httptrace.WithClientTrace(context.Background(), &httptrace.ClientTrace{
		Got1xxResponse: func(int, textproto.MIMEHeader) error { return nil },
	})
	for name, ctx := range map[string]context.Context{"plain": context.Background(), "forwarding interim responses": forwarding} {
		b.Run(name, func(b *testing.B) {
			transport := &Transport{Base: base, Hygiene: siteHygiene()}
			req := httptest.NewRequest("GET", "http://upstream.example/", nil)
			req.Header = browserHeader()
			req = req.WithContext(WithInjection(ctx, withToken("x-pat-jwt")))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := transport.RoundTrip(req); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
