package gate

import (
	"fmt"
	"testing"
	"time"
)

func TestFinishedSignInsAreRememberedForAMinuteTheLatestOfMany(t *testing.T) {
	var s signIns
	begun := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	for i := range maxSignedIn + 10 {
		s.remember(fmt.Sprint(i), &signedIn{}, begun)
	}
	if s.recall("9", begun) != nil || len(s.finished) != maxSignedIn || len(s.states) != maxSignedIn {
		t.Errorf("%d finished sign-ins and %d states are kept, at most %d should be", len(s.finished), len(s.states), maxSignedIn)
	}
	if s.recall("10", begun) == nil || s.recall(fmt.Sprint(maxSignedIn+9), begun.Add(keepSignedIn-1)) == nil {
		t.Error("one of the latest is forgotten")
	}
	if s.recall(fmt.Sprint(maxSignedIn+9), begun.Add(keepSignedIn)) != nil {
		t.Error("one of a minute ago is recalled")
	}
	s.remember("later", &signedIn{}, begun.Add(keepSignedIn))
	if len(s.finished) != 1 || len(s.states) != 1 {
		t.Errorf("%d sign-ins and %d states are kept beside the one that is not over", len(s.finished), len(s.states))
	}
}

func TestASignInRememberedTwiceIsKeptOnce(t *testing.T) {
	var s signIns
	now := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	s.remember("a", &signedIn{}, now)
	s.remember("a", &signedIn{}, now.Add(time.Second))
	if len(s.states) != 1 || s.recall("a", now.Add(keepSignedIn)) == nil {
		t.Errorf("%d states, and recalled as of the first time", len(s.states))
	}
}
