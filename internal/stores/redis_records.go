package stores

import (
	"encoding/hex"
	"errors"
	"strings"

	"github.com/Eyevinn/osc-gateway/internal/tokens"
)

// All keys are lists of one value under one prefix: tools that share the instance
// take a bare string for something of theirs and leave lists alone, and a hash of
// one long value takes more room.
const (
	recordPrefix = "osc-gw:s:"
	leasePrefix  = "osc-gw:l:"
)

func recordKey(name tokens.Name) string { return recordPrefix + name.String() }
func leaseKey(name tokens.Name) string  { return leasePrefix + name.String() }

// nameOf reads a record's name out of its key.
func nameOf(key string) (name tokens.Name, ok bool) {
	digits, ours := strings.CutPrefix(key, recordPrefix)
	if !ours || len(digits) != hex.EncodedLen(len(name)) {
		return name, false
	}
	_, err := hex.Decode(name[:], []byte(digits))
	return name, err == nil
}

var errForeignValue = errors.New("the key holds something that is not a record")

// What the scripts answer.
const (
	scriptRefused  = 0 // exists, absent, held
	scriptDone     = 1
	scriptConflict = 2
)

// luaRecord is what the scripts on records begin with: old is the record that
// is there and has not expired, by the clock of the caller in ARGV[1], whatever
// became of the key's own TTL. A key that holds something else is an error.
const luaRecord = `
local there = redis.call('LINDEX', KEYS[1], 0)
local old = there
if old and #old < 16 then
	return redis.error_reply('FOREIGN the key holds something that is not a record')
end
if old then
	local high, low = struct.unpack('>I4I4', old, 9)
	if high * 4294967296 + low <= tonumber(ARGV[1]) then old = false end
end
`

// luaStore is what they end with; ARGV[2] is the record, ARGV[3] its TTL. What
// needs room comes first: a server that is full refuses nothing more of a script
// that has written.
const luaStore = `
if there then redis.call('LSET', KEYS[1], 0, ARGV[2]) else redis.call('RPUSH', KEYS[1], ARGV[2]) end
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1
`

const (
	luaCreate = luaRecord + `if old then return 0 end` + luaStore

	// Generations are compared as bytes: a number of Lua's holds 53 bits.
	luaReplace = luaRecord + `
if not old then return 0 end
if string.sub(old, 1, 8) ~= ARGV[4] then return 2 end` + luaStore

	// A lease is timed by the server alone: the clocks of replicas differ. One
	// that has lost its TTL belongs to nobody, or it would last for ever.
	luaLease = `
local holder = redis.call('LINDEX', KEYS[1], 0)
if holder and holder ~= ARGV[1] and redis.call('PTTL', KEYS[1]) >= 0 then return 0 end
if holder then redis.call('LSET', KEYS[1], 0, ARGV[1]) else redis.call('RPUSH', KEYS[1], ARGV[1]) end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1
`
	luaRelease = `
if redis.call('LINDEX', KEYS[1], 0) == ARGV[1] then redis.call('DEL', KEYS[1]) end
return 1
`
)
