package upstream

import (
	"net/http"
	"reflect"
	"testing"
)

func TestPrivateAnswers(t *testing.T) {
	tests := []struct {
		name          string
		control, vary []string
		wantC, wantV  []string
	}{
		{"nothing said", nil, nil, []string{"private"}, []string{"Cookie"}},
		{"public becomes private", []string{"public, max-age=600"}, nil, []string{"private, max-age=600"}, []string{"Cookie"}},
		{"s-maxage is for shared caches", []string{"S-MaxAge=60,private"}, nil, []string{"private"}, []string{"Cookie"}},
		{"no-store is kept", []string{"no-store"}, nil, []string{"private, no-store"}, []string{"Cookie"}},
		{"private stays as written", []string{"max-age=1,Private"}, []string{"cookie"}, []string{"max-age=1,Private"}, []string{"cookie"}},
		{"private about one field is not enough", []string{`private="a, public", max-age=1`}, nil, []string{"private, max-age=1"}, []string{"Cookie"}},
		{"nor does it weaken the plain word", []string{`private, private="a"`}, nil, []string{"private"}, []string{"Cookie"}},
		{"quoted commas stay together", []string{`no-cache="a, public\", b", x`}, nil, []string{`private, no-cache="a, public\", b", x`}, []string{"Cookie"}},
		{"an open quote cannot swallow it", []string{`x="`}, nil, []string{`private, x="`}, []string{"Cookie"}},
		{"lines are joined", []string{"public", "max-age=1", ""}, nil, []string{"private, max-age=1"}, []string{"Cookie"}},
		{"Vary grows", nil, []string{"Accept-Encoding", "Origin"}, []string{"private"}, []string{"Accept-Encoding, Cookie", "Origin"}},
		{"Vary is not repeated", nil, []string{"Origin", "Accept, COOKIE"}, []string{"private"}, []string{"Origin", "Accept, COOKIE"}},
		{"Vary on everything is enough", nil, []string{"*"}, []string{"private"}, []string{"*"}},
		{"an empty Vary", nil, []string{""}, []string{"private"}, []string{"Cookie"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			header := http.Header{"Cdn-Cache-Control": {"max-age=9"}, "X-CDN-Cache-Control": {"max-age=9"}, "Surrogate-Control": {"max-age=9"}, "X-Accel-Expires": {"9"}}
			if tt.control != nil {
				header["Cache-Control"] = tt.control
			}
			if tt.vary != nil {
				header["Vary"] = tt.vary
			}
			for range 2 {
				filterHeader(header, &Injection{Private: true})
				want := http.Header{"Cache-Control": tt.wantC, "Vary": tt.wantV}
				if !reflect.DeepEqual(header, want) {
					t.Errorf("got %q, want %q", header, want)
				}
			}
		})
	}
}
