package stores

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/Eyevinn/osc-gateway/internal/tokens"
	"github.com/Eyevinn/osc-gateway/internal/tokens/tokenstest"
)

// startCluster starts three masters that have a third of the slots each.
func startCluster(t *testing.T) []*redisServer {
	t.Helper()
	var nodes []*redisServer
	for range 3 {
		nodes = append(nodes, startRedis(t, "--cluster-enabled", "yes", "--cluster-node-timeout", "1000",
			"--cluster-require-full-coverage", "no"))
	}
	for i, node := range nodes {
		node.do("CLUSTER", "ADDSLOTSRANGE", strconv.Itoa(i*redisSlots/3), strconv.Itoa((i+1)*redisSlots/3-1))
		node.do("CLUSTER", "SET-CONFIG-EPOCH", strconv.Itoa(i+1))
	}
	for _, node := range nodes[1:] {
		meet(nodes[0], node)
	}
	awaitCluster(t, nodes, len(nodes))
	return nodes
}

func meet(a, b *redisServer) {
	host, port, _ := net.SplitHostPort(b.address)
	a.do("CLUSTER", "MEET", host, port)
}

// awaitCluster waits until every node knows all the others.
func awaitCluster(t *testing.T, nodes []*redisServer, known int) {
	t.Helper()
	eventually(t, "the cluster is up", func() error {
		for _, node := range nodes {
			info := node.do("CLUSTER", "INFO")
			if !strings.Contains(info, "cluster_state:ok") || !strings.Contains(info, fmt.Sprintf("cluster_known_nodes:%d\r", known)) ||
				!strings.Contains(info, "cluster_slots_assigned:16384") {
				return errors.New(info)
			}
		}
		return nil
	})
}

func TestAClusterKeepsTheContract(t *testing.T) {
	nodes := startCluster(t)
	for name, url := range map[string]string{
		"one node named":   nodes[1].url(),
		"all nodes named":  "redis://" + nodes[0].address + "," + nodes[1].address + "," + nodes[2].address,
		"one that is dead": "redis://127.0.0.1:1," + nodes[2].address,
	} {
		t.Run(name, func(t *testing.T) {
			b := openBench(t, url, RedisConfig{})
			b.awaitTracking(t, 3)
			tokenstest.RunStoreTests(t, b.open(nodes...))
		})
	}
}

func TestReplicasOnAClusterSeeEachOthersWrites(t *testing.T) {
	nodes := startCluster(t)
	a, b := openBench(t, nodes[0].url(), RedisConfig{}), openBench(t, nodes[2].url(), RedisConfig{})
	a.awaitTracking(t, 3)
	b.awaitTracking(t, 3)
	for i := range 30 {
		a.mustCreate(t, i, "one")
		b.awaitCopy(t, i)
	}
	for i := range 30 {
		if err := a.Delete(t.Context(), redisName(i)); err != nil {
			t.Fatal(err)
		}
		within100(t, "absent for the other", func() error {
			if _, err := b.Load(t.Context(), redisName(i)); !errors.Is(err, tokens.ErrAbsent) {
				return fmt.Errorf("Load: %v", err)
			}
			return nil
		})
	}
}

// A slot that moves to a node nobody knew of takes its records along, and no
// copy of them outlives a write there.
func TestASlotThatMovesTakesItsRecordsAlong(t *testing.T) {
	nodes := startCluster(t)
	b := openBench(t, nodes[0].url(), RedisConfig{})
	b.awaitTracking(t, 3)
	b.mustCreate(t, 1, "one")
	b.awaitCopy(t, 1)
	key := recordKey(redisName(1))
	slot := strconv.FormatInt(redisSlot([]byte(key)), 10)
	if asked := nodes[0].do("CLUSTER", "KEYSLOT", key); asked != slot {
		t.Fatalf("slot %s, the server says %s", slot, asked)
	}
	from := ownerOf(nodes, key)
	to := startRedis(t, "--cluster-enabled", "yes", "--cluster-node-timeout", "1000", "--cluster-require-full-coverage", "no")
	meet(nodes[0], to)
	awaitCluster(t, append(nodes, to), 4)
	move(t, append(nodes, to), from, to, slot, key)
	for generation := uint64(2); generation < 20; generation++ {
		if err := b.Replace(t.Context(), redisName(1), b.record(generation, "next")); err != nil {
			t.Fatal(err)
		}
		if record, err := b.Load(t.Context(), redisName(1)); err != nil || record.Generation != generation {
			t.Fatalf("Load = generation %d, %v; written %d", record.Generation, err, generation)
		}
	}
	eventually(t, "the new master is tracked", func() error { return b.isTracking(4) })
	b.awaitCopy(t, 1)
	other := openBench(t, to.url(), RedisConfig{})
	if err := other.Delete(t.Context(), redisName(1)); err != nil {
		t.Fatal(err)
	}
	within100(t, "absent", func() error {
		if _, err := b.Load(t.Context(), redisName(1)); !errors.Is(err, tokens.ErrAbsent) {
			return fmt.Errorf("Load: %v", err)
		}
		return nil
	})
}

func ownerOf(nodes []*redisServer, key string) *redisServer {
	for _, node := range nodes {
		if _, err := node.try("LINDEX", key, "0"); err == nil {
			return node
		}
	}
	return nil
}

func move(t *testing.T, nodes []*redisServer, from, to *redisServer, slot, key string) {
	t.Helper()
	fromID, toID := from.do("CLUSTER", "MYID"), to.do("CLUSTER", "MYID")
	to.do("CLUSTER", "SETSLOT", slot, "IMPORTING", fromID)
	from.do("CLUSTER", "SETSLOT", slot, "MIGRATING", toID)
	host, port, _ := net.SplitHostPort(to.address)
	from.do("MIGRATE", host, port, key, "0", "1000")
	for _, node := range append([]*redisServer{to, from}, nodes...) {
		node.do("CLUSTER", "SETSLOT", slot, "NODE", toID)
	}
}

func TestOneMasterOfAClusterDown(t *testing.T) {
	nodes := startCluster(t)
	b := openBench(t, "redis://"+nodes[0].address+","+nodes[1].address+","+nodes[2].address, RedisConfig{})
	b.awaitTracking(t, 3)
	for i := range 30 {
		b.mustCreate(t, i, "one")
	}
	nodes[1].signal(syscall.SIGSTOP)
	var loads sync.WaitGroup
	for i := range 30 {
		loads.Go(func() {
			if _, err := b.Load(t.Context(), redisName(i)); errors.Is(err, tokens.ErrAbsent) {
				t.Error("absent, though its master is not there")
			}
		})
	}
	loads.Wait()
	nodes[1].signal(syscall.SIGCONT)
	eventually(t, "all are back", func() error {
		for i := range 30 {
			if _, err := b.Load(t.Context(), redisName(i)); err != nil {
				return err
			}
		}
		return b.isTracking(3)
	})
}
