package main

import (
	"cmp"
	"errors"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
)

// variablePrefix begins the names of the gateway's own variables. All of them
// are options, or wrong: one that narrows who gets in must not be passed over
// because of a letter in its name.
const variablePrefix = "OSC_GATEWAY_"

// byKubernetes are the variables that every container gets which runs beside a
// service called osc-gateway, or osc-gateway-something.
var byKubernetes = regexp.MustCompile(`^OSC_GATEWAY_(.+_)?(SERVICE_HOST|SERVICE_PORT(_.+)?|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)$`)

// strayVariables are those in the gateway's name that nothing reads, each with
// what to do about it. Without a value they say nothing, as options do.
func strayVariables(environ []string) map[string]string {
	known := []string{jobsURL, storeAddress}
	for _, o := range options {
		known = append(known, o.variable())
	}
	strays := map[string]string{}
	for _, pair := range environ {
		name, value, _ := strings.Cut(pair, "=")
		upper := strings.ToUpper(name)
		if value == "" || !strings.HasPrefix(upper, variablePrefix) || slices.Contains(known, name) || byKubernetes.MatchString(name) {
			continue
		}
		if slices.Contains(known, upper) && os.Getenv(upper) != "" { // that one is read; where case is nothing it is this one
			continue
		}
		strays[name] = correction(upper)
	}
	return strays
}

// correction is what to do about a variable that is no option.
func correction(name string) string {
	for _, o := range options {
		if o.secret && name == o.variable()+"_FILE" {
			return "a file is given by the flag --" + o.fileFlag()
		}
	}
	nearest := slices.MinFunc(options, func(a, b option) int {
		return cmp.Compare(distance(name, a.variable()), distance(name, b.variable()))
	})
	return "the nearest is " + nearest.variable() + " (osc-gateway proxy --help lists them)"
}

// refuseStrays is the error of variables that nothing reads. It shows no value.
func refuseStrays(environ []string) error {
	strays := strayVariables(environ)
	var found []string
	for _, name := range slices.Sorted(maps.Keys(strays)) {
		found = append(found, name+" is no option: "+strays[name])
	}
	if len(found) == 0 {
		return nil
	}
	return errors.New(strings.Join(found, "; "))
}

// distance counts the letters to add, drop and change until a is b.
func distance(a, b string) int {
	row := make([]int, len(b)+1) // of what a has been read of, to every beginning of b
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		corner := row[0]
		row[0] = i + 1
		for j := range len(b) {
			changed := corner
			if a[i] != b[j] {
				changed++
			}
			corner = row[j+1]
			row[j+1] = min(changed, row[j]+1, corner+1)
		}
	}
	return row[len(b)]
}
