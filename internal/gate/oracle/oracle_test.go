package oracle_test

import (
	"slices"
	"testing"

	"github.com/Eyevinn/osc-gateway/internal/gate/oracle"
)

func TestReadings(t *testing.T) {
	for path, want := range map[string]string{
		"/a%2fb":             "/a/b",
		"/a%252fb":           "/a/b",
		"/a%zz":              "/a%zz",
		`/a\b`:               "/a/b",
		"/a%5cb":             "/a/b",
		"/a;x=1/b;y":         "/a/b",
		"/;/a":               "/a",
		"//a///b":            "/a/b",
		"/a/./x/../b":        "/a/b",
		"/../a":              "/a",
		"/a/%2e%2e/b":        "/b",
		"/A/b":               "/a/b",
		"/a. ./b..":          "/a/b",
		"/./%20/a":           "/a",
		"/a%00.css":          "/a",
		"/a%3f.css":          "/a",
		"/a%2523.css":        "/a",
		"/a%62;%2fx":         "/ab",
		"/%41;%2fx%2f..%5cB": "/a/b",
	} {
		if readings := oracle.Readings(path); !slices.Contains(readings, want) || !slices.Contains(readings, path) {
			t.Errorf("%q is read as %q, which lacks %q", path, readings, want)
		}
	}
	if readings := oracle.Readings("/plain/path"); len(readings) != 1 {
		t.Errorf("a plain path is read as %q", readings)
	}
}
