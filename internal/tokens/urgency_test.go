package tokens

import (
	"testing"
	"time"

	"github.com/Eyevinn/osc-gateway/internal/secret"
)

func TestHowUrgentARefreshIsDependsOnTheTokensLifetime(t *testing.T) {
	const day = 24 * time.Hour
	for name, test := range map[string]struct {
		lifetime, soon, due time.Duration // time left when each begins
	}{
		"none at all": {0, 0, 0},
		"one second":  {time.Second, time.Second / 3, 100 * time.Millisecond},
		"ten seconds": {10 * time.Second, 10 * time.Second / 3, time.Second},
		"two minutes": {2 * time.Minute, 40 * time.Second, 12 * time.Second},
		"one hour":    {time.Hour, 5 * time.Minute, 15 * time.Second},
		"one day":     {day, 5 * time.Minute, 15 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			r := record{tokens: tokens{refresh: secret.New("r")}}
			r.take(Set{Access: secret.New("a"), Lifetime: test.lifetime}, moment(0))
			wants := map[time.Duration]urgency{
				test.due: refreshDue, 0: refreshDue, -time.Nanosecond: refreshDue, -day: refreshDue,
			}
			if test.lifetime > 0 {
				wants[test.lifetime] = refreshNot
				wants[test.soon+1] = refreshNot
				wants[test.soon] = refreshSoon
				wants[test.due+1] = refreshSoon
			}
			for left, want := range wants {
				now := moment(0).Add(test.lifetime - left)
				if got := r.urgency(now); got != want {
					t.Errorf("with %v left the urgency is %d, want %d", left, got, want)
				}
				if alive := r.alive(now); alive != (left > 0) {
					t.Errorf("with %v left alive is %v", left, alive)
				}
			}
			r.refresh = secret.String{}
			if got := r.urgency(moment(0).Add(test.lifetime)); got != refreshNot {
				t.Errorf("without a refresh token the urgency is %d", got)
			}
		})
	}
}
