package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

// attack2NotHere are entries of the attack corpus that other tests prove, and
// which.
var attack2NotHere = map[string]string{
	"CB-009": "a quarter of an hour needs a clock that can be turned: internal/gate TestAFlowEndsAfterAQuarterOfAnHour, internal/cookies TestAFlowEndsAfterItsAge",
	"TE-005": "TestRetryAfterIsHonoured",
	"CK-016": "TestASessionIsKeptNoLongerThanItsIdleLimit, and TestARefusedRefreshEndsTheSessionAndSaysWhy for the provider's limit",
	"RF-001": "TestRequestsOnTwoGatewaysShareOneRefresh has 200 requests on each of two, TestAllSessionsExpireAtOnce/file 20 for each of many sessions on one",
	"RF-002": "TestRequestsOnTwoGatewaysShareOneRefresh",
	"RF-003": "TestAVisitorWhoLeavesAtAnyStepCostsNothing, at every stage of the provider's answer",
	"RF-006": "TestAllSessionsExpireAtOnce: every page is its owner's, and the app compares token and user",
	"RF-009": "see upstream401_test.go",
	"ST-004": "a cookie under a removed key is refused before its record is looked at: internal/tokens TestAnOldKeyOpensUntilItLeavesTheRing, TestAKeyThatIsTakenAwayTakesItsSessionsAlong",
	"ST-009": "internal/tokens TestADumpOfTheStoreWithTheMasterKeyOpensNoTokens",
	"ST-010": "internal/tokens TestARecordOpensNowhereElse, with another master key",
	"ST-012": "TestSessionsOutliveTheirRedis, killed and coming back",
	"ST-013": "TestSessionsOutliveTheirRedis, frozen; internal/stores TestEveryCallGivesUpOnAServerThatDoesNotAnswer",
	"ST-016": "TestAKilledGatewayKeepsItsSessions/file, internal/stores TestWhatWasAcknowledgedSurvivesKill9",
	"ST-017": "internal/stores TestAFullDiskFailsWritesAndNothingElse, TestADiskThatDoesNotAnswerIsNoDamage; what a sign-in makes of it is ST-014's",
	"DC-001": "TestTwoHundredFirstVisitorsRegisterOneClient, and TestGatewaysBehindABalancerAreOne for two gateways",
	"CF-007": "TestProxyRunsTheAppAndKeepsTheGatewaysSecretsFromIt",
}

// attack2Numbers are the entries there are, by surface: the first and last of
// each run of numbers.
var attack2Numbers = map[string][][2]int{
	"CB": {{1, 29}, {33, 33}}, "TE": {{1, 30}, {34, 34}, {36, 37}}, "CK": {{1, 25}, {27, 27}, {29, 29}}, "ST": {{1, 22}, {24, 24}},
	"RF": {{1, 10}}, "DC": {{1, 6}}, "LG": {{1, 3}}, "CF": {{1, 5}, {7, 8}},
}

// attack2ID finds ids where they begin a case's name.
var attack2ID = regexp.MustCompile(`"((?:CB|TE|CK|ST|RF|DC|LG|CF)-[0-9]{3})`)

func TestAttack2EveryEntryIsRunOrSaysWhere(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("attack2_*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	run := map[string]bool{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range attack2ID.FindAllSubmatch(text, -1) {
			run[string(found[1])] = run[string(found[1])] || file != "attack2_notes_test.go"
		}
	}
	known := map[string]bool{}
	for surface, numbers := range attack2Numbers {
		for _, few := range numbers {
			for number := few[0]; number <= few[1]; number++ {
				id := fmt.Sprintf("%s-%03d", surface, number)
				known[id] = true
				if run[id] == (attack2NotHere[id] != "") {
					t.Errorf("%s: run here: %v; proved elsewhere: %q", id, run[id], attack2NotHere[id])
				}
			}
		}
	}
	for id := range run {
		if !known[id] {
			t.Errorf("there is no %s", id)
		}
	}
}
