package stores

import (
	"sync"
	"time"

	"github.com/Eyevinn/osc-gateway/internal/tokens"
)

// recordCache holds copies of records, of one server or file. It is written by
// reads and emptied by writes, of this process or told by the server, and both go
// on at once: a record that was read before a write and arrives after it must not
// stay. So whoever reads takes the shard's version first, every drop counts it
// up, and put refuses what was read under an older one.
type recordCache struct {
	shards [64]cacheShard
	most   int // records in a shard
}

type cacheShard struct {
	mu      sync.RWMutex
	version uint64
	copies  map[tokens.Name]recordCopy
}

type recordCopy struct {
	record tokens.Record
	until  time.Time
}

func newRecordCache(records int) *recordCache {
	c := &recordCache{}
	c.most = max(1, records/len(c.shards))
	for i := range c.shards {
		c.shards[i].copies = map[tokens.Name]recordCopy{}
	}
	return c
}

// A name is a hash, so any byte of it will do.
func (c *recordCache) shard(name tokens.Name) *cacheShard {
	return &c.shards[int(name[0])%len(c.shards)]
}

// get gives the copy, or the version to read the original under.
func (c *recordCache) get(name tokens.Name, now time.Time) (record tokens.Record, version uint64, found bool) {
	s := c.shard(name)
	s.mu.RLock()
	defer s.mu.RUnlock()
	held, there := s.copies[name]
	if !there || !now.Before(held.until) {
		return tokens.Record{}, s.version, false
	}
	return held.record, s.version, true
}

// put keeps what was read under a version, unless something was dropped since.
func (c *recordCache) put(name tokens.Name, record tokens.Record, until time.Time, version uint64) {
	s := c.shard(name)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.version != version {
		return
	}
	if len(s.copies) >= c.most {
		for any := range s.copies { // the first of a map's range is a random one
			delete(s.copies, any)
			break
		}
	}
	s.copies[name] = recordCopy{record, until}
}

func (c *recordCache) drop(name tokens.Name) {
	s := c.shard(name)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.version++
	delete(s.copies, name)
}

func (c *recordCache) clear() {
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		s.version++
		clear(s.copies)
		s.mu.Unlock()
	}
}
