package caddymodule

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/Eyevinn/osc-gateway/internal/tokens"
)

// minPrefix is how much of an id has to be given at least.
const minPrefix = 6

// adminLifeView is all the admin API tells of one session. Times that are not
// known, or not to come, are left out.
type adminLifeView struct {
	adminSessionView
	State     string     `json:"state"` // living, ended, or gone: no record is left
	Writes    uint64     `json:"record_writes,omitempty"`
	Refreshed *time.Time `json:"last_refreshed_at,omitempty"`
	JobsUntil *time.Time `json:"jobs_until,omitempty"`

	// This process's view; another replica may know more.
	Client      string           `json:"client_id,omitempty"`
	NextRefresh *time.Time       `json:"next_refresh_at,omitempty"`
	PausedUntil *time.Time       `json:"paused_until,omitempty"`
	Failures    int              `json:"refresh_failures,omitempty"`
	Unsaved     bool             `json:"token_not_stored,omitempty"`
	Streams     int              `json:"streams,omitempty"`
	History     []adminEventView `json:"history"`
}

type adminEventView struct {
	At   time.Time `json:"at"`
	What string    `json:"what"`
	Why  string    `json:"why,omitempty"`
}

// What there can be of a session.
const (
	stateLiving = "living"
	stateEnded  = "ended"
	stateGone   = "gone"
)

// adminLife tells of the session whose id begins so.
func adminLife(w http.ResponseWriter, r *http.Request, prefix string) error {
	if len(prefix) < minPrefix || len(prefix) > len(tokens.Name{}.Digest()) || strings.Trim(prefix, "0123456789abcdef") != "" {
		return badRequest(fmt.Sprintf("not the id of a session, nor its first %d letters or more", minPrefix))
	}
	var lives []tokens.Life
	var failed error
	eachVault(func(vault *tokens.Vault) {
		names, err := vault.Find(r.Context(), prefix)
		failed = errors.Join(failed, err)
		for _, name := range names {
			life, err := vault.Life(r.Context(), name)
			switch {
			case err == nil:
				lives = append(lives, life)
			case !errors.Is(err, tokens.ErrAbsent): // gone in this moment
				failed = errors.Join(failed, err)
			}
		}
	})
	switch {
	case failed != nil:
		return caddy.APIError{HTTPStatus: http.StatusServiceUnavailable, Err: failed}
	case len(lives) == 0:
		return caddy.APIError{HTTPStatus: http.StatusNotFound, Err: errors.New("no session with this id: it was signed out before the last restart, its record ran out, or the id is of another gateway")}
	case len(lives) > 1:
		return caddy.APIError{HTTPStatus: http.StatusConflict, Err: fmt.Errorf("%d sessions have ids that begin so; give more of it", len(lives))}
	}
	return adminJSON(w, lifeViewOf(lives[0]))
}

func lifeViewOf(life tokens.Life) adminLifeView {
	view := adminLifeView{
		adminSessionView: viewOf(life.Info), State: stateLiving, Writes: life.Writes, Refreshed: known(life.Refreshed),
		JobsUntil: known(life.JobsUntil), Client: life.Client, NextRefresh: known(life.NextRefresh), PausedUntil: known(life.PausedUntil),
		Failures: life.Failures, Unsaved: life.Unsaved, Streams: life.Streams, History: []adminEventView{},
	}
	switch {
	case !life.Stored:
		view.State = stateGone
	case life.Ended != "":
		view.State = stateEnded
	}
	for _, e := range life.History {
		view.History = append(view.History, adminEventView{At: e.At.UTC(), What: e.What, Why: e.Why})
		if view.Ended == "" && e.What == tokens.HappenedEnd {
			view.Ended = tokens.EndReason(e.Why)
		}
	}
	return view
}

// known is a time as it is told, nil where there is none.
func known(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}
