package stores

import (
	"cmp"
	"encoding/hex"
	"slices"
	"sort"

	"github.com/Eyevinn/osc-gateway/internal/tokens"
)

// redisSlots is how many parts the keys of a cluster are divided into.
const redisSlots = 16384

// redisRoutes say which tracking connection leads to the master of a key. They
// are never changed, only replaced.
type redisRoutes struct {
	single *tracking // of a server that stands alone
	ranges []redisRoute
	all    []*tracking
}

type redisRoute struct {
	slotRange
	tracked *tracking
}

// newRedisRoutes arranges the tracking connections there are. Of a cluster,
// slots say who is master of what.
func newRedisRoutes(tracked map[string]*tracking, cluster bool, slots []slotRange) *redisRoutes {
	routes := &redisRoutes{}
	for _, one := range tracked {
		routes.all = append(routes.all, one)
		if !cluster {
			routes.single = one
		}
	}
	for _, part := range slots {
		routes.ranges = append(routes.ranges, redisRoute{part, tracked[part.master]})
	}
	slices.SortFunc(routes.ranges, func(a, b redisRoute) int { return cmp.Compare(a.first, b.first) })
	return routes
}

// to gives the connection for a key, nil where there is none.
func (r *redisRoutes) to(key string) *tracking {
	if r.single != nil || len(r.ranges) == 0 {
		return r.single
	}
	return r.toSlot(redisSlot([]byte(key)))
}

// toRecord is to for a record's key, which it need not be given.
func (r *redisRoutes) toRecord(name tokens.Name) *tracking {
	if r.single != nil || len(r.ranges) == 0 {
		return r.single
	}
	var key [len(recordPrefix) + 2*len(name)]byte
	hex.Encode(key[copy(key[:], recordPrefix):], name[:])
	return r.toSlot(redisSlot(key[:]))
}

func (r *redisRoutes) toSlot(slot int64) *tracking {
	i := sort.Search(len(r.ranges), func(i int) bool { return r.ranges[i].last >= slot })
	if i == len(r.ranges) || slot < r.ranges[i].first {
		return nil
	}
	return r.ranges[i].tracked
}

// redisSlot is the slot of a key of ours, which has no hash tag: CRC16 as
// XMODEM has it, from the Redis cluster specification.
func redisSlot(key []byte) int64 {
	var crc uint16
	for _, b := range key {
		crc = crc<<4 ^ crcOfNibble[byte(crc>>12)^b>>4]
		crc = crc<<4 ^ crcOfNibble[byte(crc>>12)^b&0x0f]
	}
	return int64(crc % redisSlots)
}

var crcOfNibble = [16]uint16{
	0x0000, 0x1021, 0x2042, 0x3063, 0x4084, 0x50a5, 0x60c6, 0x70e7,
	0x8108, 0x9129, 0xa14a, 0xb16b, 0xc18c, 0xd1ad, 0xe1ce, 0xf1ef,
}
