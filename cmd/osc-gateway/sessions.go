package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"text/tabwriter"
	"time"

	"github.com/caddyserver/caddy/v2"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"
)

func init() {
	caddycmd.RegisterCommand(caddycmd.Command{
		Name:  "sessions",
		Usage: "list|revoke",
		Short: "Lists and ends the sessions of a running gateway",
		Long: `
Talks to a running gateway through Caddy's admin API. Sessions have ids that
are one-way digests, the same that stand in the log: they open nothing.

	osc-gateway sessions list --tenant acme
	osc-gateway sessions revoke 3f2a9c0d41b7e655
	osc-gateway sessions revoke --user alice
`,
		CobraFunc: func(cmd *cobra.Command) {
			list := &cobra.Command{
				Use: "list [--user <id>] [--tenant <name>] [--json]", Short: "Lists sessions", Args: cobra.NoArgs,
				RunE: caddycmd.WrapCommandFuncForCobra(listSessions),
			}
			list.Flags().Bool("json", false, "Print JSON")
			revoke := &cobra.Command{
				Use: "revoke <id>... | --user <id> | --tenant <name> | --all", Short: "Ends sessions, on every replica",
				RunE: caddycmd.WrapCommandFuncForCobra(revokeSessions),
			}
			revoke.Flags().Bool("all", false, "All of them")
			for _, sub := range []*cobra.Command{list, revoke} {
				sub.Flags().String("user", "", "Those of this user")
				sub.Flags().String("tenant", "", "Those of this workspace")
				defineAdminFlags(sub.Flags())
				cmd.AddCommand(sub)
			}
		},
	})
}

// sessionView is a session as the admin API tells of it.
type sessionView struct {
	ID       string    `json:"id"`
	Site     string    `json:"site"`
	User     string    `json:"user"`
	Tenant   string    `json:"tenant"`
	Created  time.Time `json:"created_at"`
	LastUsed time.Time `json:"last_used_at"`
	Expires  time.Time `json:"session_expires_at"`
	Ended    string    `json:"ended"`
}

func listSessions(flags caddycmd.Flags) (int, error) {
	body, err := callAdmin(flags, http.MethodGet, "/osc_auth/sessions", chosenSessions(flags))
	if err != nil {
		return caddy.ExitCodeFailedStartup, err
	}
	if flags.Bool("json") {
		_, err = os.Stdout.Write(body)
		return exitCode(err), err
	}
	var sessions []sessionView
	if err := json.Unmarshal(body, &sessions); err != nil {
		return caddy.ExitCodeFailedQuit, fmt.Errorf("the admin API's answer: %w", err)
	}
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "ID\tUSER\tTENANT\tSITE\tSIGNED IN\tLAST USED\tENDS")
	for _, s := range sessions {
		ends := s.Expires.Local().Format(time.DateTime)
		if s.Ended != "" {
			ends = "ended: " + s.Ended
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", s.ID, orDash(s.User), orDash(s.Tenant), s.Site,
			s.Created.Local().Format(time.DateTime), s.LastUsed.Local().Format(time.DateTime), ends)
	}
	err = table.Flush()
	return exitCode(err), err
}

func revokeSessions(flags caddycmd.Flags) (int, error) {
	chosen := chosenSessions(flags)
	if flags.Bool("all") {
		chosen.Set("all", "true")
	}
	ids := flags.Args()
	if (len(ids) > 0) == (len(chosen) > 0) {
		return caddy.ExitCodeFailedStartup, errors.New("say which sessions: ids, or one of --user, --tenant and --all")
	}
	revoked := 0
	revoke := func(path string, query url.Values) error {
		body, err := callAdmin(flags, http.MethodDelete, path, query)
		if err != nil {
			return err
		}
		var answer struct {
			Revoked int `json:"revoked"`
		}
		if err := json.Unmarshal(body, &answer); err != nil {
			return fmt.Errorf("the admin API's answer: %w", err)
		}
		revoked += answer.Revoked
		return nil
	}
	if len(ids) == 0 {
		if err := revoke("/osc_auth/sessions", chosen); err != nil {
			return caddy.ExitCodeFailedStartup, err
		}
	}
	for _, id := range ids {
		before := revoked
		if err := revoke("/osc_auth/sessions/"+url.PathEscape(id), nil); err != nil {
			return caddy.ExitCodeFailedStartup, err
		}
		if revoked == before {
			return caddy.ExitCodeFailedStartup, fmt.Errorf("there is no living session %s", id)
		}
	}
	fmt.Printf("revoked %d\n", revoked)
	return caddy.ExitCodeSuccess, nil
}

func chosenSessions(flags caddycmd.Flags) url.Values {
	chosen := url.Values{}
	for _, name := range []string{"user", "tenant"} {
		if value := flags.String(name); value != "" {
			chosen.Set(name, value)
		}
	}
	return chosen
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func exitCode(err error) int {
	if err != nil {
		return caddy.ExitCodeFailedQuit
	}
	return caddy.ExitCodeSuccess
}
