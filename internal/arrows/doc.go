// Package arrows holds the shape of the code as a test: which package may
// import which, and which files may touch what the rest has to stay clear of.
//
// There is nothing to import here. The table is rules_test.go; a change of the
// architecture starts there and in docs/architecture.md.
package arrows
