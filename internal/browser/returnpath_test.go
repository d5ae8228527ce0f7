package browser

import (
	"net/url"
	"strings"
	"testing"
)

func TestReturnPath(t *testing.T) {
	tests := []struct{ name, raw, want string }{
		{"a deep link with its fragment", "/app/view?id=1&next=%2F%2Fok#frag", "/app/view?id=1&next=%2F%2Fok#frag"},
		{"a fragment like a path", "/#/rooms/1?tab=a&b=%2F%2Fc", "/#/rooms/1?tab=a&b=%2F%2Fc"},
		{"a fragment with what browsers encode", "/a#b \"<c>`\\#d", "/a#b%20%22%3Cc%3E%60%5C#d"},
		{"an empty fragment", "/a#", "/a"},
		{"a fragment with a line break", "/a#b\r\nSet-Cookie: x=1", "/a"},
		{"a fragment beyond ASCII", "/a#é", "/a"},
		{"a fragment does not make up for its path", "//evil.example#/a", "/"},
		{"encoding is kept", "/r%C3%A9sum%C3%A9/a%20b", "/r%C3%A9sum%C3%A9/a%20b"},
		{"an encoded slash is kept", "/db/a%2Fb", "/db/a%2Fb"},
		{"a query is not judged as a path", "/x?u=//evil.example/..%2f", "/x?u=//evil.example/..%2f"},
		{"a query with a stray percent", "/search?q=100%", "/search?q=100%"},
		{"brackets in a query", "/x?filter[a]=1", "/x?filter[a]=1"},
		{"an empty query", "/x?", "/x"},
		{"code points whose low byte is CR or LF stay encoded", "/%E5%98%8A%E5%98%8DSet-Cookie:x", "/%E5%98%8A%E5%98%8DSet-Cookie:x"},
		{"a literal percent", "/100%25", "/100%25"},
		{"spaces are encoded, slashes stay as they were", `/a%2Fb c?q="<d e>`, "/a%2Fb%20c?q=%22%3Cd%20e%3E"},
		{"a path that only begins like an endpoint", "/authors", "/authors"},
		{"an endpoint's name deeper down", "/help/auth", "/help/auth"},
		{"dots inside a name", "/v1..2/.well-known/a.b", "/v1..2/.well-known/a.b"},
		{"slashes further in", "/a//b", "/a//b"},
		{"home", "/", "/"},

		{"empty", "", "/"},
		{"scheme-relative", "//evil.example", "/"},
		{"three slashes", "///evil.example", "/"},
		{"four slashes with an encoded tail", "////evil.example/%2f..", "/"},
		{"slash and backslash", `/\evil.example`, "/"},
		{"two backslashes", `\\evil.example`, "/"},
		{"a backslash further in", `/a\b`, "/"},
		{"tab between slashes", "/\t/evil.example", "/"},
		{"newline between slashes", "/\n/evil.example", "/"},
		{"leading tab", "\t//evil.example", "/"},
		{"leading space", " //evil.example", "/"},
		{"another origin", "https://evil.example/", "/"},
		{"another origin, three slashes", "https:///evil.example", "/"},
		{"our host as user", "https://gw.example@evil.example/", "/"},
		{"backslash before the at sign", `https://evil.example\@gw.example/`, "/"},
		{"scheme-relative with a user", "//gw.example@evil.example/", "/"},
		{"our host as a prefix label", "https://gw.example.evil.example/", "/"},
		{"our host as a suffix", "https://evilgw.example/", "/"},
		{"plain http", "http://gw.example/", "/"},
		{"another port", "https://gw.example:8443/", "/"},
		{"our own origin spelled out", "https://gw.example/app", "/"},
		{"javascript", "javascript:alert(1)", "/"},
		{"tab inside a scheme", "java\tscript:alert(1)", "/"},
		{"data", "data:text/html,<script>alert(1)</script>", "/"},
		{"encoded slashes", "/%2f%2fevil.example", "/"},
		{"one encoded slash", "/%2fevil.example", "/"},
		{"encoded backslash", "/%5cevil.example", "/"},
		{"encoded twice", "/%252f%252fevil.example", "/"},
		{"encoded three times", "/%25252fevil.example", "/"},
		{"encoded more often than anybody does", "/%2525252561", "/"},
		{"an encoded slash next to a space", "/%2fevil.example c", "/"},
		{"dot segment before slashes", "/.//evil.example", "/"},
		{"dot segments", "/a/../b", "/"},
		{"dot segment at the end", "/a/..", "/"},
		{"encoded dot segment", "/a/%2e%2e/b", "/"},
		{"half-encoded dot segment", "/a/.%2E/b", "/"},
		{"dot segment encoded twice", "/a/%252e%252e/b", "/"},
		{"dot segment with parameters", "/a/..;x=1/b", "/"},
		{"dot segment after an encoded backslash", "/a%5c..%5cb", "/"},
		{"dot segment with a space", "/a/..%20/b", "/"},
		{"dot segment after a stray percent", "/100%25/%252e%252e/x", "/"},
		{"header injection", "/ok\r\nSet-Cookie: __Host-x=1", "/"},
		{"encoded header injection", "/ok%0d%0aSet-Cookie:%20x=1", "/"},
		{"encoded NUL", "/ok%00", "/"},
		{"control byte in the query", "/ok?a=\x01", "/"},
		{"delete", "/ok\x7f", "/"},
		{"ideographic full stop", "//evil\u3002example", "/"},
		{"full-width slashes", "\uff0f\uff0fevil.example", "/"},
		{"a lookalike of two slashes", "/\u3031evil.example", "/"},
		{"a bare host", "evil.example", "/"},
		{"a scheme without slashes", "http:evil.example", "/"},
		{"a bad escape", "/a%zz", "/"},
		{"a cut escape", "/a%2", "/"},
		{"a fragment only", "#/x", "/"},
		{"a query only", "?x", "/"},
		{"64 KiB", "/" + strings.Repeat("a", 65536), "/"},
		{"a query that grows past the bound", "/?" + strings.Repeat(" ", 1000), "/"},
		{"Go's asterisk form", "*", "/"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := ReturnPath(tt.raw, "/auth")
			if got != tt.want {
				t.Errorf("ReturnPath(%.80q) = %.80q, want %q", tt.raw, got, tt.want)
			}
		})
	}
}

func TestReturnPathNeverLeadsToAnEndpoint(t *testing.T) {
	for _, raw := range []string{
		"/auth", "/auth/", "/auth/signin?return_to=%2F%2Fevil.example", "/auth/signout", "/auth?x", "/auth#x",
		"/AUTH/signout", "/auth//signout", "/auth;x=1/signout", "/;/auth/signout", "/;x//auth", "/auth./signout",
		"/auth%20/signout", "/auth%2fsignout", "/auth%5csignout", "/%61uth/signout", "/%2561uth/signout",
		"/%41UTH", "/auth%3fx", "/auth%23x", "/auth%253b/signout",
	} {
		if got := ReturnPath(raw, "/auth"); got != "/" {
			t.Errorf("ReturnPath(%q) = %q", raw, got)
		}
	}
	for _, tt := range []struct{ raw, endpoints, want string }{
		{"/_osc/sign/in", "/_osc/sign", "/"},
		{"/_osc/Sign", "/_osc/sign/", "/"},
		{"/_osc", "/_osc/sign", "/_osc"},
		{"/auth/signin", "", "/auth/signin"},
	} {
		if got := ReturnPath(tt.raw, tt.endpoints); got != tt.want {
			t.Errorf("ReturnPath(%q, %q) = %q, want %q", tt.raw, tt.endpoints, got, tt.want)
		}
	}
}

func TestReturnPathKeepsWhatFitsExactly(t *testing.T) {
	longest := "/" + strings.Repeat("a", maxReturnPath-1)
	if got := ReturnPath(longest, "/auth"); got != longest {
		t.Error("the longest path is refused")
	}
	if got := ReturnPath(longest+"a", "/auth"); got != "/" {
		t.Error("a longer path is accepted")
	}
	if got := ReturnPath("/ok#"+strings.Repeat("a", 9000), "/auth"); got != "/ok" {
		t.Error("a dropped fragment counts")
	}
	if got := ReturnPath(longest+"#a", "/auth"); got != longest {
		t.Error("a fragment costs the path, or passes the bound")
	}
}

// staysHome says whether a browser on https://gw.example would stay there when
// sent to ref. It follows the WHATWG URL algorithm (§4.4) as far as that needs:
// trim, drop tabs and newlines, look for a scheme, read backslashes as slashes.
func staysHome(ref string) bool {
	ref = strings.TrimFunc(ref, func(r rune) bool { return r <= ' ' })
	ref = strings.NewReplacer("\t", "", "\n", "", "\r", "", `\`, "/").Replace(ref)
	if colon := strings.IndexByte(ref, ':'); colon >= 0 && !strings.ContainsAny(ref[:colon], "/?#") {
		return false
	}
	return !strings.HasPrefix(ref, "//")
}

func FuzzReturnPath(f *testing.F) {
	for _, seed := range []string{
		"/app/view?id=1&next=%2F%2Fok#frag", "//evil.example", `/\evil.example`, "/\t/evil.example",
		"/%2f%2fevil.example", "/.//evil.example", "/auth%2fsignout", "/%2fevil.example c", "http:evil.example",
		"/#//evil.example", "/a#b#c", "/a?b#c\\d", "//evil.example#/a", "/auth#x",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		got := ReturnPath(raw, "/auth")
		if got == "" || got[0] != '/' || len(got) > 1 && (got[1] == '/' || got[1] == '\\') || len(got) > 2048 {
			t.Fatalf("%q became %q", raw, got)
		}
		for i := range len(got) {
			if got[i] <= ' ' || got[i] >= 0x7f {
				t.Fatalf("%q became %q with byte %#x", raw, got, got[i])
			}
		}
		path, fragment, _ := strings.Cut(got, "#")
		if fragment != "" && Fragment("#"+fragment) != "#"+fragment || strings.ContainsAny(got, "\\") {
			t.Fatalf("%q became %q with an odd fragment", raw, got)
		}
		u, err := url.ParseRequestURI(path)
		if err != nil || u.Host != "" || u.Scheme != "" {
			t.Fatalf("%q became %q: %v %v", raw, got, u, err)
		}
		if !staysHome(got) || !staysHome(u.Path) {
			t.Fatalf("%q became %q, which leaves the origin", raw, got)
		}
		if lower := strings.ToLower(u.Path); lower == "/auth" || strings.HasPrefix(lower, "/auth/") {
			t.Fatalf("%q became the endpoint %q", raw, got)
		}
		if again := ReturnPath(got, "/auth"); again != got {
			t.Fatalf("%q became %q, then %q", raw, got, again)
		}
	})
}

func TestFragment(t *testing.T) {
	for raw, want := range map[string]string{
		"#a": "#a", "#/rooms?x=%C3%A9;{}|^,'": "#/rooms?x=%C3%A9;{}|^,'", "#a b": "#a%20b", `#a\b`: "#a%5Cb", "#%0d%0a": "#%0d%0a",
		"": "", "#": "", "a": "", "/#a": "", "#\n": "", "#a\x00": "", "#a\x7f": "", "#\u00e9": "",
		"#" + strings.Repeat("a", 2047): "#" + strings.Repeat("a", 2047), "#" + strings.Repeat("a", 2048): "", "#" + strings.Repeat(" ", 1000): "",
	} {
		if got := Fragment(raw); got != want {
			t.Errorf("Fragment(%.40q) = %.40q, want %.40q", raw, got, want)
		}
	}
}
