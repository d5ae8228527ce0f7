package stores

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/redis/rueidis"

	"github.com/Eyevinn/osc-gateway/internal/tokens"
)

// This file is the only one that knows the client library. It was chosen by
// measuring (bench/redisclients): a read allocates once, requests that run side
// by side share packets, and a push is read when it arrives.

var (
	// errNoValue says that there is no such key.
	errNoValue    = errors.New("no value")
	errNotMaster  = errors.New("the server is not the master (any more)")
	errNoTracking = errors.New("the server does not support client tracking")
)

// replyError is what the server itself answered in place of a result.
type replyError struct{ text string }

func (e *replyError) Error() string { return e.text }

// code is its first word, which is how clients tell replies apart.
func (e *replyError) code() string {
	code, _, _ := strings.Cut(e.text, " ")
	return code
}

// redisOptions are what all connections of a store have in common.
type redisOptions struct {
	url    RedisURL
	tls    *tls.Config
	dialer *redisDialer
}

// redisClient speaks to one server, or to all of a cluster.
type redisClient struct {
	client  rueidis.Client
	address string // the server, or the one of the cluster that was asked first
	cluster bool
	// scripts by their text, so that each is hashed once.
	scripts map[string]*rueidis.Lua
}

func (o redisOptions) clientOption(address string) rueidis.ClientOption {
	option := rueidis.ClientOption{
		InitAddress:         []string{address},
		Username:            o.url.Username,
		Password:            o.url.Password.Reveal(),
		SelectDB:            o.url.Database,
		TLSConfig:           o.tls,
		ClientSetInfo:       rueidis.DisableClientSetInfo, // no command more than needed
		DisableCache:        true,
		PipelineMultiplex:   -1,
		AlwaysPipelining:    true, // or a call does not end with its context
		RingScaleEachConn:   11,
		ReadBufferEachConn:  64 << 10,
		WriteBufferEachConn: 64 << 10,
		ConnWriteTimeout:    redisDialTimeout,
		DialCtxFn: func(ctx context.Context, address string, _ *net.Dialer, config *tls.Config) (net.Conn, error) {
			return o.dialer.dial(ctx, address, config)
		},
	}
	option.Dialer.Timeout = redisDialTimeout
	option.Dialer.KeepAlive = redisDialTimeout // also how often an idle connection is tried
	return option
}

// openRedis connects to a server and finds out whether it is one of a cluster.
func (o redisOptions) openRedis(address string) (*redisClient, error) {
	client, err := rueidis.NewClient(o.clientOption(address))
	if err != nil {
		return nil, redisError(err)
	}
	return newRedisClient(client, address, client.Mode() == rueidis.ClientModeCluster), nil
}

// openTracked makes one connection to one server that announces every write to
// a record. It never connects a second time: what was announced in between
// would be lost. changed gets the names, none of which means all.
func (o redisOptions) openTracked(address string, cluster bool, changed func([]tokens.Name)) (*redisClient, error) {
	option := o.clientOption(address)
	option.ForceSingleClient = true
	option.DisableRetry = true
	option.DisableCache = false // the library's own stays empty; without this it does not track
	option.CacheSizeEachConn = 1
	option.ClientTrackingOptions = []string{"BCAST", "PREFIX", recordPrefix}
	option.OnInvalidations = func(keys []rueidis.RedisMessage) { changed(changedNames(keys)) }
	dials := make(chan struct{}, 1)
	option.DialCtxFn = func(ctx context.Context, address string, _ *net.Dialer, config *tls.Config) (net.Conn, error) {
		select {
		case dials <- struct{}{}:
			return o.dialer.dial(ctx, address, config)
		default:
			return nil, errors.New("the connection is lost")
		}
	}
	client, err := rueidis.NewClient(option)
	if err != nil {
		if client != nil {
			client.Close()
		}
		return nil, redisError(err)
	}
	return newRedisClient(client, address, cluster), nil
}

func newRedisClient(client rueidis.Client, address string, cluster bool) *redisClient {
	c := &redisClient{client: client, address: address, cluster: cluster, scripts: map[string]*rueidis.Lua{}}
	for _, text := range []string{luaCreate, luaReplace, luaLease, luaRelease} {
		c.scripts[text] = rueidis.NewLuaScript(text)
	}
	return c
}

// changedNames takes the records' names out of an announcement. Anything odd
// counts as all of them.
func changedNames(keys []rueidis.RedisMessage) []tokens.Name {
	names := make([]tokens.Name, 0, len(keys))
	for _, message := range keys {
		key, err := message.ToString()
		if err != nil {
			return nil
		}
		if name, ok := nameOf(key); ok {
			names = append(names, name)
		}
	}
	if len(names) < len(keys) {
		return nil
	}
	return names
}

func (c *redisClient) close() { c.client.Close() }

func (c *redisClient) get(ctx context.Context, key string) ([]byte, error) {
	value, err := c.client.Do(ctx, c.client.B().Lindex().Key(key).Index(0).Build()).AsBytes()
	return value, redisError(err)
}

// A gotten answers one of several reads.
type gotten struct {
	value []byte
	err   error
}

func (c *redisClient) getAll(ctx context.Context, keys []string) []gotten {
	reads := make(rueidis.Commands, len(keys))
	for i, key := range keys {
		reads[i] = c.client.B().Lindex().Key(key).Index(0).Build()
	}
	answers := make([]gotten, len(keys))
	for i, result := range c.client.DoMulti(ctx, reads...) {
		value, err := result.AsBytes()
		answers[i] = gotten{value, redisError(err)}
	}
	return answers
}

func (c *redisClient) del(ctx context.Context, key string) error {
	return redisError(c.client.Do(ctx, c.client.B().Del().Key(key).Build()).Error())
}

// run runs a script. It is never sent twice: what it did the first time may
// only be unknown.
func (c *redisClient) run(ctx context.Context, script, key string, args ...string) (int64, error) {
	n, err := c.scripts[script].Exec(ctx, c.client, []string{key}, args).AsInt64()
	return n, redisError(err)
}

// scan gives a page of the records' keys on one server.
func (c *redisClient) scan(ctx context.Context, cursor uint64) (keys []string, next uint64, err error) {
	page, err := c.client.Do(ctx, c.client.B().Scan().Cursor(cursor).Match(recordPrefix+"*").Count(500).Type("list").Build()).AsScanEntry()
	return page.Elements, page.Cursor, redisError(err)
}

// info is what the server tells of itself, by field.
func (c *redisClient) info(ctx context.Context) (map[string]string, error) {
	text, err := c.client.Do(ctx, c.client.B().Info().Build()).ToString()
	fields := map[string]string{}
	for line := range strings.Lines(text) {
		if name, value, found := strings.Cut(strings.TrimSpace(line), ":"); found {
			fields[name] = value
		}
	}
	return fields, redisError(err)
}

// setting is how the server is configured in one respect.
func (c *redisClient) setting(ctx context.Context, name string) (string, error) {
	answer, err := c.client.Do(ctx, c.client.B().ConfigGet().Parameter(name).Build()).AsStrMap()
	return answer[name], redisError(err)
}

// time is the server's clock.
func (c *redisClient) time(ctx context.Context) (time.Time, error) {
	answer, err := c.client.Do(ctx, c.client.B().Time().Build()).AsIntSlice()
	if err == nil && len(answer) != 2 {
		err = errors.New("TIME was answered in a form that is not understood")
	}
	if err != nil {
		return time.Time{}, redisError(err)
	}
	return time.Unix(answer[0], answer[1]*int64(time.Microsecond)), nil
}

// nodes are clients for the single servers known of, by their address.
func (c *redisClient) nodes() map[string]*redisClient {
	nodes := map[string]*redisClient{}
	for address, client := range c.client.Nodes() {
		nodes[address] = &redisClient{client: client, address: address, cluster: c.cluster, scripts: c.scripts}
	}
	return nodes
}

// beat asks a server whether it is a master that may be believed: not demoted,
// and not cut off from the rest of its cluster. HELLO is what the connection
// began with, so it is allowed.
func (c *redisClient) beat(ctx context.Context) error {
	questions := rueidis.Commands{c.client.B().Arbitrary("HELLO", "3").Build()}
	if c.cluster {
		questions = append(questions, c.client.B().ClusterInfo().Build())
	}
	answers := c.client.DoMulti(ctx, questions...)
	server, err := answers[0].AsMap()
	if err != nil {
		return redisError(err)
	}
	role := server["role"]
	if text, _ := role.ToString(); text != "master" {
		return errNotMaster
	}
	if !c.cluster {
		return nil
	}
	info, err := answers[1].ToString()
	if err == nil && !strings.Contains(info, "cluster_state:ok") {
		err = errors.New("the cluster is down")
	}
	return redisError(err)
}

// isReplica tells whether the server says for certain that it is one.
func (c *redisClient) isReplica(ctx context.Context) (bool, error) {
	answer, err := c.client.Do(ctx, c.client.B().Role().Build()).ToArray()
	if err != nil || len(answer) == 0 {
		return false, redisError(err)
	}
	role, err := answer[0].ToString()
	return role == "slave" || role == "replica", redisError(err)
}

// A slotRange says which master has which part of the keys of a cluster.
type slotRange struct {
	first, last int64
	master      string
}

// slots asks the server for the map of its cluster. Addresses are written as
// in nodes.
func (c *redisClient) slots(ctx context.Context) ([]slotRange, error) {
	answer, err := c.client.Do(ctx, c.client.B().ClusterSlots().Build()).ToArray()
	if err != nil {
		return nil, redisError(err)
	}
	ranges := make([]slotRange, 0, len(answer))
	for _, message := range answer {
		one, err := readSlots(message, c.address)
		if err != nil {
			return nil, err
		}
		ranges = append(ranges, one)
	}
	return ranges, nil
}

// readSlots reads [first, last, [host, port, …] of the master, …]. An empty host
// is that of the server which was asked.
func readSlots(message rueidis.RedisMessage, asked string) (slotRange, error) {
	odd := errors.New("CLUSTER SLOTS was answered in a form that is not understood")
	parts, err := message.ToArray()
	if err != nil || len(parts) < 3 {
		return slotRange{}, odd
	}
	first, firstErr := parts[0].AsInt64()
	last, lastErr := parts[1].AsInt64()
	master, masterErr := parts[2].ToArray()
	if firstErr != nil || lastErr != nil || masterErr != nil || len(master) < 2 || first < 0 || last >= redisSlots {
		return slotRange{}, odd
	}
	host, _ := master[0].ToString() // null: unknown to the server itself
	port, err := master[1].AsInt64()
	if err != nil {
		return slotRange{}, odd
	}
	if host == "" || host == "?" {
		host, _, _ = net.SplitHostPort(asked)
	}
	return slotRange{first, last, net.JoinHostPort(host, fmt.Sprint(port))}, nil
}

// redisError translates the library's errors.
func redisError(err error) error {
	switch reply, isReply := rueidis.IsRedisErr(err); {
	case err == nil:
		return nil
	case rueidis.IsRedisNil(err):
		return errNoValue
	case isReply:
		return &replyError{reply.Error()}
	case errors.Is(err, rueidis.ErrNoCache):
		return fmt.Errorf("%w: %w", errNoTracking, err)
	}
	return err
}
