package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"
)

// A spoken command is one a page tells its readers to type.
type spoken struct {
	where string
	words []string
}

var (
	fenced       = regexp.MustCompile("(?ms)^```(?:sh|console|dockerfile|yaml|ini)[^\n]*\n(.*?)^```")
	inline       = regexp.MustCompile("`((?:bin/)?osc-gateway [^`]+)`")
	continuation = regexp.MustCompile(`\\\n\s*`)
	ours         = regexp.MustCompile(`(?:^|[\s"'$(/])osc-gateway["']?,? +(.*)`)
	commandLike  = regexp.MustCompile(`^[a-z][a-z-]*$`)                             // and no file of the binary's name
	asUser       = regexp.MustCompile(` (?:-u|--user|--group|-o|-g) osc-gateway\b`) // and not as a command
	comment      = regexp.MustCompile(`\s#.*`)
)

// commandsOf finds the commands of the binary that a page names, up to where the
// shell or the app's own command goes on.
func commandsOf(page, text string) []spoken {
	var lines []string
	for _, block := range fenced.FindAllStringSubmatch(text, -1) {
		lines = append(lines, strings.Split(continuation.ReplaceAllString(block[1], ""), "\n")...)
	}
	for _, code := range inline.FindAllStringSubmatch(text, -1) {
		lines = append(lines, code[1])
	}
	var all []spoken
	for _, line := range lines {
		found := ours.FindStringSubmatch(asUser.ReplaceAllString(comment.ReplaceAllString(line, ""), ""))
		if found == nil {
			continue
		}
		words := strings.FieldsFunc(found[1], func(r rune) bool { return strings.ContainsRune(" \t,\"'[](){}", r) })
		if end := slices.IndexFunc(words, func(word string) bool { return slices.Contains([]string{"|", "&", "&&", ";", ">", ">>", "--"}, word) }); end >= 0 {
			words = words[:end]
		}
		if len(words) > 0 && commandLike.MatchString(words[0]) {
			all = append(all, spoken{page, words})
		}
	}
	return all
}

// commandNamed is the command that words begin with, and what follows it.
func commandNamed(words []string) (command *cobra.Command, rest []string) {
	known, there := caddycmd.Commands()[words[0]]
	if !there {
		return nil, nil
	}
	command = &cobra.Command{Use: known.Name}
	if known.CobraFunc != nil {
		known.CobraFunc(command)
	} else if known.Flags != nil {
		command.Flags().AddGoFlagSet(known.Flags)
	}
	for rest = words[1:]; len(rest) > 0; rest = rest[1:] {
		at := slices.IndexFunc(command.Commands(), func(sub *cobra.Command) bool { return sub.Name() == rest[0] })
		if at < 0 {
			break
		}
		command = command.Commands()[at]
	}
	return command, rest
}

// unknownTo are the flags of a command that it does not have.
func unknownTo(words []string) (unknown []string) {
	command, rest := commandNamed(words)
	if command == nil {
		return words[:1]
	}
	if command.HasSubCommands() && len(rest) > 0 && !strings.HasPrefix(rest[0], "-") {
		return append(unknown, rest[0])
	}
	for _, word := range rest {
		name, isLong := strings.CutPrefix(word, "--")
		name, _, _ = strings.Cut(name, "=")
		switch {
		case name == "help": // which every command has
		case isLong && command.Flags().Lookup(name) == nil,
			!isLong && len(word) == 2 && word[0] == '-' && command.Flags().ShorthandLookup(word[1:]) == nil:
			unknown = append(unknown, word)
		}
	}
	return unknown
}

// markdown calls visit with every page of the project.
func markdown(t *testing.T, visit func(page, text string)) {
	t.Helper()
	root := os.DirFS("../..")
	err := fs.WalkDir(root, ".", func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (entry.Name() == "node_modules" || entry.Name() == ".git"):
			return fs.SkipDir
		case entry.IsDir() || filepath.Ext(path) != ".md":
			return nil
		}
		text, err := fs.ReadFile(root, path)
		visit(path, string(text))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestEveryCommandTheDocumentationNamesIsThere(t *testing.T) {
	found := 0
	markdown(t, func(page, text string) {
		for _, said := range commandsOf(page, text) {
			found++
			if unknown := unknownTo(said.words); len(unknown) > 0 {
				t.Errorf("%s: osc-gateway %s: there is no %q", said.where, strings.Join(said.words, " "), unknown)
			}
		}
	})
	const least = 30
	if found < least {
		t.Errorf("%d commands were found in the documentation", found)
	}
}

// TestCommandsAreReadAsAShellWould is what the test above stands on.
func TestCommandsAreReadAsAShellWould(t *testing.T) {
	for _, test := range []struct {
		text    string
		unknown string
	}{
		{"`osc-gateway proxy --to :3000 -- npm start --no-such`", ""},
		{"`osc-gateway proxy --too :3000`", "--too"},
		{"`bin/osc-gateway sessions revoke --user alice`", ""},
		{"`osc-gateway sessions forget`", "forget"},
		{"`osc-gateway keys generate --json`", "--json"},
		{"`osc-gateway jump`", "jump"},
		{"```sh\nX=1 osc-gateway proxy \\\n  --frm :80 # --no-such\n```\n", "--frm"},
		{"```sh\nosc-gateway run -c Caddyfile | jq --raw\n```\n", ""},
		{"```sh\nsudo -u osc-gateway sh -c '. /etc/osc-gateway/env; osc-gateway run --cnfig Caddyfile'\n```\n", "--cnfig"},
		{"```sh\nosc-gateway run -z Caddyfile\n```\n", "-z"},
		{"```dockerfile\nENTRYPOINT [\"/osc-gateway\", \"proxy\", \"--frm\"]\n```\n", "--frm"},
	} {
		said := commandsOf("page", test.text)
		if len(said) != 1 {
			t.Errorf("%q: %d commands", test.text, len(said))
			continue
		}
		if unknown := strings.Join(unknownTo(said[0].words), " "); unknown != test.unknown {
			t.Errorf("%q: unknown are %q, not %q", test.text, unknown, test.unknown)
		}
	}
}

// explained finds Caddyfiles and, below them, what becomes of requests.
var explained = regexp.MustCompile("(?ms)^```(caddyfile|outcomes)\n(.*?)^```")

// TestOutcomesInTheDocumentationAreWhatTheyAre asks explain about each line of an
// `outcomes` block: method, URL, by whom, and what becomes of it.
func TestOutcomesInTheDocumentationAreWhatTheyAre(t *testing.T) {
	found := 0
	markdown(t, func(page, text string) {
		file := filepath.Join(t.TempDir(), "Caddyfile")
		for _, block := range explained.FindAllStringSubmatch(text, -1) {
			if block[1] == "caddyfile" {
				if err := os.WriteFile(file, []byte(block[2]), 0o600); err != nil {
					t.Fatal(err)
				}
				continue
			}
			for line := range strings.SplitSeq(strings.TrimSpace(block[2]), "\n") {
				found++
				if got, want := outcomeSaid(t, file, line); got != want {
					t.Errorf("%s: %s: it is %s", page, line, got)
				}
			}
		}
	})
	const least = 25
	if found < least {
		t.Errorf("%d outcomes were found in the documentation", found)
	}
}

// outcomeSaid is what becomes of a request by the configuration, and by the page.
func outcomeSaid(t *testing.T, file, line string) (got, want string) {
	t.Helper()
	asked, want, found := strings.Cut(line, " → ")
	words := strings.Fields(asked)
	if !found || len(words) != 3 {
		t.Fatalf("%q is not `<method> <url> <by whom> → <outcome> [<reason>]`", line)
	}
	var headers []string
	as := ""
	switch words[2] {
	case "nobody":
	case "browser":
		headers = []string{"Accept: text/html", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document"}
	default:
		as = "tenant=" + words[2]
	}
	request, err := explainedRequest(words[0], words[1], headers)
	if err != nil {
		t.Fatal(err)
	}
	who, err := parseAs(as)
	if err != nil {
		t.Fatal(err)
	}
	said, err := explain(file, "", request, who)
	if err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	if said.Outcome == "refused" {
		return said.Outcome + " " + said.Reason, want
	}
	return said.Outcome, want
}

// forOthers are variables of ours that are no options: of the tests, of the app
// behind the gateway, and names that pages choose for their examples.
var forOthers = regexp.MustCompile(`^OSC_GATEWAY_(TEST_.*|CHAOS|BENCH|JOBS_URL|OLD_KEY)$`)

func TestEveryVariableTheDocumentationNamesIsRead(t *testing.T) {
	read := map[string]bool{}
	for _, o := range options {
		read[o.variable()] = true
	}
	variable := regexp.MustCompile(`OSC_GATEWAY_[A-Z][A-Z_]*[A-Z]`)
	markdown(t, func(page, text string) {
		for _, name := range variable.FindAllString(text, -1) {
			if !read[name] && !forOthers.MatchString(name) {
				t.Errorf("%s: nothing reads the variable %s", page, name)
			}
		}
	})
}

func TestTheReferenceListsEveryOption(t *testing.T) {
	page, err := os.ReadFile("../../docs/caddyfile.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range options {
		name := "--" + o.name
		if o.secret {
			name = "--" + o.fileFlag()
		}
		if !strings.Contains(string(page), "`"+name+"`") || !strings.Contains(string(page), "`"+o.variable()+"`") {
			t.Errorf("docs/caddyfile.md does not name %s and %s", name, o.variable())
		}
	}
}
