package osc

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math"
	"strconv"
	"time"
)

var errNotAnObject = errors.New("not a JSON object")

// object is a JSON object with its members still raw. encoding/json takes
// member names in any case and lets the last duplicate win; an answer that
// says a thing twice is refused here, and names are exact.
type object map[string]json.RawMessage

// parseObject reads exactly one JSON object and nothing after it.
func parseObject(body []byte) (object, error) {
	decoder := json.NewDecoder(bytes.NewReader(body))
	if token, err := decoder.Token(); err != nil || token != json.Delim('{') {
		return nil, errNotAnObject
	}
	members := object{}
	for decoder.More() {
		name, err := decoder.Token()
		if err != nil {
			return nil, errNotAnObject
		}
		var value json.RawMessage
		if err := decoder.Decode(&value); err != nil {
			return nil, errNotAnObject
		}
		if _, twice := members[name.(string)]; twice {
			return nil, errors.New("member given twice")
		}
		members[name.(string)] = value
	}
	if _, err := decoder.Token(); err != nil {
		return nil, errNotAnObject
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("data after the object")
	}
	return members, nil
}

// text is a string member. False where it is absent or something else.
func (o object) text(name string) (string, bool) {
	raw, there := o[name]
	if !there || len(raw) == 0 || raw[0] != '"' {
		return "", false
	}
	var s string
	err := json.Unmarshal(raw, &s)
	return s, err == nil
}

// texts is a member that is a list of strings, nil where it is absent.
func (o object) texts(name string) ([]string, error) {
	raw, there := o[name]
	if !there {
		return nil, nil
	}
	var list []string
	if err := json.Unmarshal(raw, &list); err != nil {
		return nil, errors.New(name + " is not a list of strings")
	}
	return list, nil
}

// flag is a boolean member, false where it is absent or something else.
func (o object) flag(name string) bool {
	var value bool
	return json.Unmarshal(o[name], &value) == nil && value
}

// seconds is a member that counts seconds, as a number or a string of digits;
// fractions are cut. ok is false where it is absent.
func (o object) seconds(name string, most time.Duration) (d time.Duration, ok bool, err error) {
	raw, there := o[name]
	if !there {
		return 0, false, nil
	}
	malformed := errors.New(name + " is not a number of seconds")
	digits := string(raw)
	if raw[0] == '"' {
		if digits, ok = o.text(name); !ok || !isDigits(digits) {
			return 0, false, malformed
		}
	}
	value, err := strconv.ParseFloat(digits, 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return 0, false, malformed
	}
	return clampSeconds(value, most), true, nil
}

// clampSeconds keeps a number of seconds, however absurd, within 0 and most.
func clampSeconds(value float64, most time.Duration) time.Duration {
	if math.IsNaN(value) || value <= 0 {
		return 0
	}
	if value >= most.Seconds() {
		return most
	}
	return time.Duration(value) * time.Second
}

func isDigits(s string) bool {
	if s == "" {
		return false
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}
