package stores

import (
	"bytes"
	"context"
	"errors"

	"github.com/Eyevinn/osc-gateway/internal/tokens"
)

// Each visits all records, page by page, on every master.
func (r *Redis) Each(ctx context.Context, visit func(tokens.Name, tokens.Record) error) error {
	masters, err := redisCall(ctx, r, "visit", "", false, r.masters)
	if err != nil {
		return err
	}
	seen := map[tokens.Name]struct{}{} // a scan may name a key twice
	for _, master := range masters {
		for cursor, more := uint64(0), true; more; more = cursor != 0 {
			var page redisPage
			page, err = redisCall(ctx, r, "visit", "", false, func(ctx context.Context, c *redisClient) (redisPage, error) {
				return readPage(ctx, master, c, cursor)
			})
			if err != nil {
				return err
			}
			if err := r.visitPage(page, seen, visit); err != nil {
				return err
			}
			cursor = page.next
		}
	}
	return nil
}

func (r *Redis) visitPage(page redisPage, seen map[tokens.Name]struct{}, visit func(tokens.Name, tokens.Record) error) error {
	for i, key := range page.keys {
		name, ours := nameOf(key)
		record, ok := decode(page.values[i].value)
		_, known := seen[name]
		if !ours || known || !ok || !r.now().Before(record.Expires) {
			continue
		}
		seen[name] = struct{}{}
		record.Sealed = bytes.Clone(record.Sealed)
		if err := visit(name, record); err != nil {
			return err
		}
	}
	return nil
}

type redisPage struct {
	keys   []string
	values []gotten
	next   uint64
}

// readPage reads the next keys on one master, and their records from wherever
// they are by then. A key that went meanwhile or holds something else is left out.
func readPage(ctx context.Context, master, all *redisClient, cursor uint64) (redisPage, error) {
	keys, next, err := master.scan(ctx, cursor)
	if err != nil {
		return redisPage{}, err
	}
	page := redisPage{keys: keys, values: all.getAll(ctx, keys), next: next}
	for _, got := range page.values {
		var reply *replyError
		if got.err != nil && !errors.Is(got.err, errNoValue) && (!errors.As(got.err, &reply) || reply.code() != "WRONGTYPE") {
			return redisPage{}, got.err
		}
	}
	return page, nil
}
