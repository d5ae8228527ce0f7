package main

import (
	"context"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
)

// asNavigation is how a browser opens a page.
const asNavigation = "Accept: text/html\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\nSec-Fetch-Site: none\r\n"

// anonymousVisits asks what visitors cost who never sign in.
func anonymousVisits(ctx context.Context, l *lab) error {
	address, err := freeAddress()
	if err != nil {
		return err
	}
	path := filepath.Join(l.dir, "anonymous", "sessions.db")
	h, err := l.gatewayAt("anonymous", address, "file "+path)
	if err != nil {
		return err
	}
	if _, err := h.start(ctx); err != nil {
		return err
	}
	visit := func(n int) error {
		bytes := request(address, "/studio", "", asNavigation)
		_, err := flood(ctx, address, n, visitors, 302, func(int) ([]byte, error) { return bytes, nil })
		if err != nil {
			return h.failed(err)
		}
		return nil
	}
	// The first visits fill pools, and have the gateway register a client, which
	// is written down once.
	if err := visit(max(visitors, l.o.anonymous/20)); err != nil {
		return err
	}
	before, err := h.resident()
	if err != nil {
		return err
	}
	writes, err := commits(path)
	if err != nil {
		return err
	}
	if err := visit(l.o.anonymous); err != nil {
		return err
	}
	after, err := h.resident()
	if err != nil {
		return err
	}
	atMost("anonymous: RSS growth by all visits after the first 5 %", float64(after.minus(before).all)/mib, 5, "%.1f MiB")
	now, err := commits(path)
	if err != nil {
		return err
	}
	exactly("anonymous: store writes", int(now-writes), 0)
	return nil
}

var errNoBolt = errors.New("that is no session file")

// commits is how often a session file was written to: bbolt counts that in the
// two pages it begins with.
func commits(path string) (uint64, error) {
	file, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer file.Close()
	head := make([]byte, 2*4096)
	if _, err := file.ReadAt(head, 0); err != nil {
		return 0, err
	}
	return lastCommit(head)
}

// lastCommit reads bbolt's meta pages: a header of 16 bytes, magic, version,
// page size and flags of 4 each, root, sequence, free list and high water mark
// of 8 each, then the number of the transaction.
func lastCommit(head []byte) (uint64, error) {
	const page, magicAt, transactionAt, magic = 4096, 16, 64, 0xED0CDAED
	var last uint64
	for at := 0; at < 2*page; at += page {
		if len(head) < at+page || binary.NativeEndian.Uint32(head[at+magicAt:]) != magic {
			return 0, errNoBolt
		}
		last = max(last, binary.NativeEndian.Uint64(head[at+transactionAt:]))
	}
	return last, nil
}
