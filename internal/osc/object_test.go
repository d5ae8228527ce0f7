package osc

import (
	"slices"
	"strings"
	"testing"
	"time"
)

func TestOnlyOneWholeObjectIsAnObject(t *testing.T) {
	for name, test := range map[string]struct {
		body string
		ok   bool
	}{
		"an empty object":                {`{}`, true},
		"white space around":             {" \t\r\n{ } \n", true},
		"members of every kind":          {`{"a":1,"b":"x","c":null,"d":[{}],"e":{"f":{}},"g":true}`, true},
		"names that differ in case":      {`{"a":1,"A":2}`, true},
		"the same name further in":       {`{"a":{"a":1}}`, true},
		"nothing":                        {``, false},
		"a list":                         {`[]`, false},
		"null":                           {`null`, false},
		"a number":                       {`1`, false},
		"half":                           {`{"a":1`, false},
		"a name without a value":         {`{"a"}`, false},
		"a name without a colon":         {`{"a" 1}`, false},
		"a name that is a number":        {`{1:1}`, false},
		"a name that is an object":       {`{{}:1}`, false},
		"no comma":                       {`{"a":1 "b":2}`, false},
		"a comma first":                  {`{,"a":1}`, false},
		"a comma last":                   {`{"a":1,}`, false},
		"two commas":                     {`{"a":1,,"b":2}`, false},
		"the wrong bracket":              {`{"a":1]`, false},
		"a bracket too many":             {`{"a":1}}`, false},
		"a second object":                {`{}{}`, false},
		"a word after it":                {`{} x`, false},
		"a null byte after it":           {"{}\x00", false},
		"a byte order mark":              {"\ufeff{}", false},
		"a comment":                      {`{/* */}`, false},
		"a member twice":                 {`{"a":1,"a":1}`, false},
		"a member twice, once escaped":   {`{"a":1,"\u0061":1}`, false},
		"a value that is no JSON":        {`{"a":NaN}`, false},
		"a value nested without end":     {strings.Repeat(`{"a":`, 20000), false},
		"a value nested beyond measure":  {`{"a":` + strings.Repeat(`[`, 20000) + strings.Repeat(`]`, 20000) + `}`, false},
		"a control character in a value": {"{\"a\":\"\x01\"}", false},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := parseObject([]byte(test.body))
			if (err == nil) != test.ok {
				t.Errorf("error is %v, want success %t", err, test.ok)
			}
		})
	}
}

func TestMembersAreReadAsTheirKindOrNotAtAll(t *testing.T) {
	members, err := parseObject([]byte(`{"s":"a\u0062","n":5,"null":null,"list":["a","b"],"mixed":["a",1],"yes":true,"no":false,"word":"true"}`))
	if err != nil {
		t.Fatal(err)
	}
	if s, ok := members.text("s"); s != "ab" || !ok {
		t.Errorf("text is %q, %t", s, ok)
	}
	for _, name := range []string{"S", "n", "null", "list", "yes", "absent"} {
		if s, ok := members.text(name); ok {
			t.Errorf("%s is the text %q", name, s)
		}
	}
	if list, err := members.texts("list"); err != nil || !slices.Equal(list, []string{"a", "b"}) {
		t.Errorf("list is %q, %v", list, err)
	}
	for _, name := range []string{"mixed", "s", "n", "yes"} {
		if list, err := members.texts(name); err == nil {
			t.Errorf("%s is the list %q", name, list)
		}
	}
	for _, name := range []string{"null", "absent"} {
		if list, err := members.texts(name); err != nil || list != nil {
			t.Errorf("%s is the list %q, %v", name, list, err)
		}
	}
	if !members.flag("yes") {
		t.Error("yes is no flag")
	}
	for _, name := range []string{"no", "n", "null", "word", "absent"} {
		if members.flag(name) {
			t.Errorf("%s is a flag", name)
		}
	}
}

func TestSecondsStayWithinTheirBounds(t *testing.T) {
	members, err := parseObject([]byte(`{"few":5,"many":1e18,"below":-3,"part":1.999,"digits":"7","list":[1]}`))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]time.Duration{
		"few": 5 * time.Second, "many": time.Minute, "below": 0, "part": time.Second, "digits": 7 * time.Second,
	} {
		if d, ok, err := members.seconds(name, time.Minute); d != want || !ok || err != nil {
			t.Errorf("%s is %v, %t, %v, want %v", name, d, ok, err, want)
		}
	}
	if _, ok, err := members.seconds("absent", time.Minute); ok || err != nil {
		t.Errorf("absent is %t, %v", ok, err)
	}
	if _, ok, err := members.seconds("list", time.Minute); ok || err == nil {
		t.Errorf("list is %t, %v", ok, err)
	}
}
