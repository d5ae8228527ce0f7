package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// profileSeconds is how long each profile is taken.
const profileSeconds = 20

// profileKind is a page of net/http/pprof and what to call it.
type profileKind struct{ page, name string }

// profiles loads every subject once more and writes down where its time and its
// allocations go. Not while measuring: sampling costs time itself.
func profiles(ctx context.Context, r *rig, subjects []*subject, o options) error {
	if err := os.MkdirAll(o.profileDir, 0o755); err != nil {
		return err
	}
	fmt.Println()
	for _, s := range subjects {
		if s.command != nil {
			continue // no Caddy, which is where profiles come from
		}
		for _, kind := range []profileKind{{"profile", "cpu"}, {"allocs", "allocs"}} {
			say(fmt.Sprintf("profiling %s: %s", s.name, kind.name))
			data, requests, err := underLoad(ctx, r, s, kind, o.window)
			if err != nil {
				return fmt.Errorf("profile of %s: %w", s.name, err)
			}
			file := filepath.Join(o.profileDir, slug(s.name)+"."+kind.name+".pprof")
			if err := os.WriteFile(file, data, 0o644); err != nil {
				return err
			}
			fmt.Printf("%s: %d requests\n", file, requests)
		}
	}
	base := filepath.Join(o.profileDir, constantName)
	fmt.Printf("What the gateway adds: go tool pprof -top -cum -normalize -diff_base %s.cpu.pprof %s.cpu.pprof\n",
		base, filepath.Join(o.profileDir, gatewayName))
	return nil
}

// underLoad fetches a profile from Caddy's admin endpoint while requests come,
// and says how many came.
func underLoad(ctx context.Context, r *rig, s *subject, kind profileKind, step time.Duration) ([]byte, int, error) {
	type outcome struct {
		answer answer
		err    error
	}
	done := make(chan outcome, 1)
	go func() {
		address := fmt.Sprintf("http://%s/debug/pprof/%s?seconds=%d", s.admin, kind.page, profileSeconds)
		a, err := get(ctx, http.DefaultClient, address, "")
		done <- outcome{a, err}
	}()
	for requests := 0; ; {
		select {
		case o := <-done:
			if o.err == nil && o.answer.status != http.StatusOK {
				o.err = fmt.Errorf("status %d", o.answer.status)
			}
			return o.answer.body, requests, o.err
		default:
		}
		w, err := r.window(ctx, s, step)
		if err != nil {
			return nil, 0, err
		}
		requests += w.requests
	}
}
