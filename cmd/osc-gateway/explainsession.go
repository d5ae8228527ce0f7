package main

import (
	"encoding/json"
	"fmt"
	"io"
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
		Name:  "explain-session",
		Usage: "<id>",
		Short: "Tells a session's life: whose it is, how it is kept fresh, and why it ended",
		Long: `
Talks to a running gateway through Caddy's admin API. The id is the one in the
log (session=…) and in "osc-gateway sessions list"; its first six letters will
do where no other session's begin so. It opens nothing, and no token is told.

	osc-gateway explain-session 3f2a9c0d41b7e655
	osc-gateway explain-session 3f2a9c --json

What is stored is the same whichever replica is asked. The plans and what was
seen to happen are those of the gateway that answers, since it was started.
`,
		CobraFunc: func(cmd *cobra.Command) {
			cmd.Args = cobra.ExactArgs(1)
			cmd.Flags().Bool("json", false, "Print JSON")
			defineAdminFlags(cmd.Flags())
			cmd.RunE = caddycmd.WrapCommandFuncForCobra(runExplainSession)
		},
	})
}

func runExplainSession(flags caddycmd.Flags) (int, error) {
	body, err := callAdmin(flags, http.MethodGet, "/osc_auth/sessions/"+url.PathEscape(flags.Arg(0)), nil)
	if err != nil {
		return caddy.ExitCodeFailedStartup, err
	}
	if flags.Bool("json") {
		_, err = os.Stdout.Write(body)
		return exitCode(err), err
	}
	var life sessionLife
	if err := json.Unmarshal(body, &life); err != nil {
		return caddy.ExitCodeFailedQuit, fmt.Errorf("the admin API's answer: %w", err)
	}
	err = life.print(os.Stdout, time.Now())
	return exitCode(err), err
}

// sessionLife is a session's life as the admin API tells it.
type sessionLife struct {
	sessionView
	State        string    `json:"state"`
	TokenExpires time.Time `json:"token_expires_at"`
	Writes       uint64    `json:"record_writes"`
	Refreshed    time.Time `json:"last_refreshed_at"`
	JobsUntil    time.Time `json:"jobs_until"`
	Client       string    `json:"client_id"`
	NextRefresh  time.Time `json:"next_refresh_at"`
	PausedUntil  time.Time `json:"paused_until"`
	Failures     int       `json:"refresh_failures"`
	Unsaved      bool      `json:"token_not_stored"`
	Streams      int       `json:"streams"`
	History      []struct {
		At   time.Time `json:"at"`
		What string    `json:"what"`
		Why  string    `json:"why"`
	} `json:"history"`
}

// print tells it to a person. now is when.
func (l *sessionLife) print(out io.Writer, now time.Time) error {
	fmt.Fprintf(out, "Session %s %s.\n", l.ID, l.headline())
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	row := func(name, text string) { fmt.Fprintf(table, "  %s\t%s\n", name, text) }
	if l.State != "gone" {
		fmt.Fprintln(out)
		row("user", orDash(l.User))
		row("workspace", orDash(l.Tenant))
		row("site", l.Site)
		row("signed in", at(l.Created, now)+by(l.Client))
		row("last used", at(l.LastUsed, now))
		if !l.Refreshed.IsZero() {
			row("refreshed", at(l.Refreshed, now))
		}
		row("record", "written "+times(l.Writes))
	}
	if l.State == "living" {
		row("token", "good until "+at(l.TokenExpires, now)+notStored(l.Unsaved))
		row("next refresh", l.plan(now))
		row("session ends", at(l.Expires, now)+", whatever happens")
		if l.JobsUntil.After(now) {
			row("jobs", "keep it fresh until "+at(l.JobsUntil, now))
		}
		row("streams open", fmt.Sprint(l.Streams))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	return l.printHistory(out, now)
}

func (l *sessionLife) printHistory(out io.Writer, now time.Time) error {
	if len(l.History) == 0 {
		_, err := fmt.Fprintln(out, "\nThis gateway has seen nothing happen to it since it was started.")
		return err
	}
	fmt.Fprintln(out, "\nWhat this gateway has seen:")
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, e := range l.History {
		what := happenings[e.What]
		if what == "" {
			what = e.What
		}
		if e.Why != "" {
			what += ": " + inWords(e.Why)
		}
		fmt.Fprintf(table, "  %s\t%s\n", at(e.At, now), what)
	}
	return table.Flush()
}

var happenings = map[string]string{
	"signed_in": "signed in", "refreshed": "the token was refreshed", "refresh_failed": "a refresh failed and is tried again",
	"token_not_stored": "a new token is kept in memory, since the store did not take it", "ended": "ended",
}

// endings are the reasons of an end for people.
var endings = map[string]string{
	"signed_out":       "the visitor signed out",
	"replaced":         "its browser signed in anew",
	"session_expired":  "it was not used within idle_timeout, or reached session_lifetime",
	"session_revoked":  "it was revoked by an operator",
	"refresh_rejected": "OSC no longer accepts its refresh token",
}

func inWords(reason string) string {
	if words := endings[reason]; words != "" {
		return words + " (" + reason + ")"
	}
	return reason
}

func (l *sessionLife) headline() string {
	switch {
	case l.State == "living":
		return "is living"
	case l.Ended != "":
		return "has ended: " + inWords(l.Ended)
	default:
		return "is gone: there is no record of it any more"
	}
}

func (l *sessionLife) plan(now time.Time) string {
	switch {
	case l.Failures > 0:
		text := fmt.Sprintf("after %d that failed", l.Failures)
		if l.PausedUntil.After(now) {
			text += ", not before " + at(l.PausedUntil, now)
		}
		return text
	case l.NextRefresh.IsZero():
		return "not planned by this gateway: it has not seen the session since it was started, or the session has no refresh token"
	default:
		return "at " + at(l.NextRefresh, now) + ", in the background"
	}
}

func times(n uint64) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}

func by(client string) string {
	if client == "" {
		return ""
	}
	return ", through the client " + client
}

func notStored(unsaved bool) string {
	if unsaved {
		return "; in memory only, since the store did not take it"
	}
	return ""
}

// at is a time and how far away it is.
func at(t, now time.Time) string {
	text := t.Local().Format(time.DateTime)
	switch away := t.Sub(now).Round(time.Second); {
	case away > 0:
		return text + " (in " + away.String() + ")"
	case away < 0:
		return text + " (" + (-away).String() + " ago)"
	default:
		return text + " (now)"
	}
}
