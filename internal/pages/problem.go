package pages

import "encoding/json"

// typePrefix and a reason make the URI that identifies a problem (RFC 9457
// §3.1.1). It is an identifier first: clients compare it, so it never changes.
const typePrefix = "https://github.com/Eyevinn/osc-gateway/blob/main/docs/reasons.md#"

// problem is a refusal as programs read it. SignInURL and Reason extend RFC 9457
// (§3.2): a web app sends the person to the one and decides by the other.
type problem struct {
	Type      string    `json:"type"`
	Title     string    `json:"title"`
	Status    int       `json:"status"`
	Detail    string    `json:"detail"`
	Reason    Reason    `json:"reason"`
	SignInURL string    `json:"signin_url,omitempty"`
	Diagnosis Diagnosis `json:"diagnosis,omitempty"`
	Reference string    `json:"reference,omitempty"`
}

func newProblem(v View) []byte {
	e := v.Reason.entry()
	detail, hint := v.words()
	if hint != "" {
		detail += " " + hint
	}
	body, err := json.Marshal(problem{
		Type:      typePrefix + string(v.Reason),
		Title:     e.title,
		Status:    v.status(),
		Detail:    detail,
		Reason:    v.Reason,
		SignInURL: v.SignInURL,
		Diagnosis: v.Diagnosis,
		Reference: v.Reference,
	})
	if err != nil {
		panic("pages: strings and numbers always marshal: " + err.Error())
	}
	return append(body, '\n')
}
