package doctor

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/Eyevinn/osc-gateway/internal/stores"
	"github.com/Eyevinn/osc-gateway/internal/tokens"
)

// discarded keeps a store's own log out of the report.
var discarded = slog.New(slog.DiscardHandler)

// store examines where sessions are kept.
func (d *Doctor) store(ctx context.Context) []Result {
	switch d.Setup.Store.Kind {
	case "memory":
		return []Result{{
			Check: CheckStore, Status: Warn, Message: "memory: sessions end with the process, at every restart",
			Fix: "store file keeps them, store redis <url> shares them between gateways",
		}}
	case "file":
		return []Result{d.file(ctx)}
	case "redis":
		return d.redis(ctx)
	default:
		return skipped(d.Setup.Store.Kind+" is no store that doctor knows", "", CheckStore)
	}
}

// littleSpace is when a disk is about to be full.
const littleSpace = 100 << 20

// file looks at the session file without opening it, and tries the disk with
// another one, so that it does no harm to a gateway that runs, or to a file that
// was damaged.
func (d *Doctor) file(ctx context.Context) Result {
	path := d.Setup.Store.Path
	state, err := stores.LookAtFile(path)
	if err != nil {
		return Result{Check: CheckStore, Status: Fail, Message: err.Error(), Fix: "as said, or let sessions be kept elsewhere"}
	}
	took, err := d.tryDisk(ctx, filepath.Dir(path))
	if err != nil {
		return Result{
			Check: CheckStore, Status: Fail, Message: "no record can be kept beside " + path + ": " + err.Error(),
			Fix: "give the directory to the gateway's user and the disk some space, or name another path (store file <path>)",
		}
	}
	how := "will be made at the first start"
	switch {
	case state.Held:
		how = "in use by a running gateway"
	case state.Exists:
		how = "not in use"
	}
	result := Result{
		Check: CheckStore, Status: OK,
		Message: fmt.Sprintf("file %s, %s; a record is written, read, changed and deleted in %d ms%s", path, how, took.Milliseconds(), freeText(state.Free)),
	}.took(took)
	if state.Free >= 0 && state.Free < littleSpace {
		result.Status, result.Fix = Warn, "make room on that disk: nobody can sign in once it is full"
	}
	return result
}

func freeText(free int64) string {
	switch {
	case free < 0:
		return ""
	case free < 10<<30:
		return fmt.Sprintf("; %d MB are free", free>>20)
	default:
		return fmt.Sprintf("; %d GB are free", free>>30)
	}
}

// tryDisk keeps a record in a session file of its own in a directory.
func (d *Doctor) tryDisk(ctx context.Context, directory string) (time.Duration, error) {
	probe, err := probeDirectory(directory)
	if err != nil {
		return 0, err
	}
	defer func() { _ = os.RemoveAll(probe) }()
	store, err := stores.OpenFile(filepath.Join(probe, "probe.db"), stores.FileConfig{Now: d.Now})
	if err != nil {
		return 0, err
	}
	took, err := d.tryRecord(ctx, store)
	return took, errors.Join(err, store.Close())
}

// tryRecord takes a record of no session through its life, under a name drawn
// for it, and tells how long that took.
func (d *Doctor) tryRecord(ctx context.Context, store tokens.Store) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, d.Timeout)
	defer cancel()
	ticket, err := tokens.NewTicket(rand.Reader)
	if err != nil {
		return 0, err
	}
	name, begun := ticket.Name(), d.Now()
	defer func() { // whatever happened; it expires soon in any case
		_ = store.Delete(context.WithoutCancel(ctx), name)
	}()
	record := tokens.Record{Generation: 1, Expires: begun.Add(time.Minute), Sealed: []byte("probe 1 of osc-gateway doctor")}
	if err := store.Create(ctx, name, record); err != nil {
		return 0, fmt.Errorf("writing: %w", err)
	}
	if err := reads(ctx, store, name, record); err != nil {
		return 0, err
	}
	record = tokens.Record{Generation: 2, Expires: record.Expires, Sealed: []byte("probe 2 of osc-gateway doctor")}
	if err := store.Replace(ctx, name, record); err != nil {
		return 0, fmt.Errorf("changing: %w", err)
	}
	if err := reads(ctx, store, name, record); err != nil {
		return 0, err
	}
	if err := store.Delete(ctx, name); err != nil {
		return 0, fmt.Errorf("deleting: %w", err)
	}
	if _, err := store.Load(ctx, name); !errors.Is(err, tokens.ErrAbsent) {
		return 0, errors.New("a record that was deleted can still be read")
	}
	return d.Now().Sub(begun), nil
}

func reads(ctx context.Context, store tokens.Store, name tokens.Name, want tokens.Record) error {
	got, err := store.Load(ctx, name)
	if err != nil {
		return fmt.Errorf("reading: %w", err)
	}
	if got.Generation != want.Generation || !bytes.Equal(got.Sealed, want.Sealed) {
		return errors.New("what is read is not what was written")
	}
	return nil
}

// slowStore is what a request should never wait for a store.
const slowStore = 100 * time.Millisecond

// redis tries the server and asks how it is set up.
func (d *Doctor) redis(ctx context.Context) []Result {
	parsed, err := stores.ParseRedisURL(d.Setup.Store.URL.Reveal())
	if err != nil {
		return []Result{{Check: CheckStore, Status: Fail, Message: err.Error(), Fix: "correct the address (store redis <url>)"}}
	}
	store, err := stores.OpenRedis(d.Setup.Store.URL.Reveal(), stores.RedisConfig{Now: d.Now, Log: discarded})
	if err != nil {
		return []Result{{Check: CheckStore, Status: Fail, Message: err.Error(), Fix: "correct the address (store redis <url>)"}}
	}
	defer func() { _ = store.Close() }()
	took, err := d.tryRecord(ctx, store)
	if err != nil {
		return []Result{{Check: CheckStore, Status: Fail, Message: parsed.String() + ": " + err.Error(), Fix: redisFix(err, parsed)}}
	}
	const steps = 6
	result := Result{
		Check: CheckStore, Status: OK,
		Message: fmt.Sprintf("%s; a record is written, read, changed and deleted in %d ms", parsed, took.Milliseconds()),
	}.took(took)
	if took/steps > slowStore {
		result.Status, result.Fix = Warn, "bring the server nearer to the gateway, or find out what keeps it busy"
	}
	return append([]Result{result}, d.redisSettings(ctx, store, parsed)...)
}

func redisFix(err error, at stores.RedisURL) string {
	text := err.Error()
	switch {
	case strings.Contains(text, "NOAUTH"), strings.Contains(text, "WRONGPASS"), strings.Contains(text, "AUTH"):
		return "check user and password in the address (redis://user:password@host)"
	case strings.Contains(text, "NOPERM"):
		return "let that user run EVAL, LINDEX, LSET, RPUSH, DEL and SCAN on osc-gw:*"
	case strings.Contains(text, "not the master"):
		return "name the master, or all hosts, in the address"
	case strings.Contains(text, "OOM"):
		return "give the server more memory (maxmemory)"
	case strings.Contains(text, "connection refused"):
		return "start the server, or correct host and port"
	case at.TLS:
		return "check host, port and firewall, and that the server speaks TLS (rediss:// is TLS, redis:// is not)"
	default:
		return "check host, port and firewall, and whether the server wants TLS (rediss://)"
	}
}

// redisSettings are what a server that works may have against it all the same.
func (d *Doctor) redisSettings(ctx context.Context, store *stores.Redis, at stores.RedisURL) []Result {
	ctx, cancel := context.WithTimeout(ctx, d.Timeout)
	defer cancel()
	report, err := store.Report(ctx)
	if err != nil {
		return []Result{{
			Check: CheckStore, Status: Warn, Message: "the server does not tell how it is set up: " + err.Error(),
			Fix: "see to it yourself that maxmemory-policy is noeviction and that it persists",
		}}
	}
	about := report.Server
	if report.Cluster {
		about += ", a cluster"
	}
	if at.TLS {
		about += ", over TLS"
	}
	if report.Persistence != "" {
		about += ", persistence: " + report.Persistence
	}
	var results []Result
	warn := func(message, fix string) {
		results = append(results, Result{Check: CheckStore, Status: Warn, Message: message, Fix: fix})
	}
	if report.Eviction != "" && report.Eviction != "noeviction" {
		warn(about+": maxmemory-policy is "+report.Eviction+", which signs people out when memory runs short", "CONFIG SET maxmemory-policy noeviction")
	}
	if report.Persistence == "none" {
		warn(about+": a restart of the server signs everybody out", "CONFIG SET appendonly yes")
	}
	if report.Untracked != nil {
		warn(about+": it does not announce changes, so every request reads its session from it", "use Redis or Valkey 6.0 or newer, without a proxy in between")
	}
	if skew := clockResult(CheckStore, "the server", report.Ahead); skew.Status != OK {
		skew.Status = Warn
		results = append(results, skew)
	}
	if len(results) == 0 {
		results = append(results, Result{Check: CheckStore, Status: OK, Message: about + "; maxmemory-policy " + report.Eviction + ", changes are announced"})
	}
	return results
}
