package integration

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// instruction is the rest of the one line of the Dockerfile that begins like this.
func instruction(t testing.TB, file, begins string) string {
	t.Helper()
	found := regexp.MustCompile(`(?m)^`+regexp.QuoteMeta(begins)+` (.*)$`).FindAllStringSubmatch(file, -1)
	if len(found) != 1 {
		t.Fatalf("%d lines of the Dockerfile begin with %s", len(found), begins)
	}
	return found[0][1]
}

// executed is the command of an instruction, without the binary.
func executed(t testing.TB, text string) []string {
	t.Helper()
	var words []string
	if err := json.Unmarshal([]byte(text[strings.Index(text, "["):]), &words); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return words
}

// dockerfile is the project's.
func dockerfile(t testing.TB) string {
	t.Helper()
	raw, err := os.ReadFile("../Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func TestTheImageIsBuiltAsTheBinaryIs(t *testing.T) {
	t.Parallel()
	file := dockerfile(t)
	makefile, err := os.ReadFile("../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	built := instruction(t, file, "RUN CGO_ENABLED=0")
	for _, words := range []string{"-trimpath", tags, "-s -w -X main.version="} {
		if !strings.Contains(built, words) || !strings.Contains(string(makefile), words) {
			t.Errorf("Dockerfile and Makefile do not both build with %s", words)
		}
	}
	if user := instruction(t, file, "USER"); !regexp.MustCompile(`^[1-9]\d*:[1-9]\d*$`).MatchString(user) {
		t.Errorf("USER is %s, which a cluster can't tell from root", user)
	}
	if binary := executed(t, instruction(t, file, "ENTRYPOINT")); len(binary) != 1 || binary[0] != "/osc-gateway" {
		t.Errorf("ENTRYPOINT is %q", binary)
	}
}

// TestTheImageRunsAsItsDockerfileSays starts the binary with the command, the
// variables and the health check of the image. scripts/try-image does the rest:
// the build, the user and the read-only root, which takes root on Linux.
func TestTheImageRunsAsItsDockerfileSays(t *testing.T) {
	t.Parallel()
	file := dockerfile(t)
	check := executed(t, instruction(t, file, "HEALTHCHECK"))[1:]
	w := exampleWorld(t)
	g := w.gateway
	data := filepath.Join(g.dir, "data")
	if err := os.Mkdir(data, 0o700); err != nil {
		t.Fatal(err)
	}
	g.env = append(strings.Fields(strings.ReplaceAll(instruction(t, file, "ENV"), "="+instruction(t, file, "VOLUME"), "="+data)),
		"PORT="+strings.TrimPrefix(g.anyHost(), ":"), "OSC_GATEWAY_TO="+w.app.Listener.Addr().String(), "OSC_GATEWAY_ISSUER="+w.osc.URL)
	if output, status := g.run(check...); status == 0 {
		t.Errorf("it is healthy before it runs: %s", output)
	}
	g.launch(executed(t, instruction(t, file, "CMD"))...)
	eventually(t, "the health check passes", func() bool { _, status := g.run(check...); return status == 0 })
	if page := w.visitor().signIn("/"); page.Status != 200 {
		t.Error(page)
	}
	for _, kept := range []string{"sessions.db", "master.key"} {
		if _, err := os.Stat(filepath.Join(data, "caddy", "osc_auth", kept)); err != nil {
			t.Errorf("it is not kept in the volume: %v", err)
		}
	}
	if left, _ := os.ReadDir(filepath.Join(g.dir, "home")); len(left) > 0 {
		t.Errorf("it wrote outside of the volume: %v", left)
	}
}
