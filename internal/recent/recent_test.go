package recent

import (
	"sync"
	"testing"
)

func TestWhatIsAskedForStaysAndTheRestIsForgotten(t *testing.T) {
	m := New[int, int](100)
	m.Put(-1, 7)
	for i := range 10_000 {
		m.Put(i, i)
		if i%50 == 0 {
			if got, there := m.Get(-1); !there || got != 7 {
				t.Fatalf("after %d others the one asked for is gone", i)
			}
		}
	}
	if _, there := m.Get(5); there {
		t.Error("what nobody asked for is still there")
	}
	if size := len(m.young) + len(m.old); size > 200 {
		t.Errorf("it holds %d entries, more than twice its size", size)
	}
}

func TestForgetAndClear(t *testing.T) {
	m := New[string, int](2)
	for _, key := range []string{"a", "b", "c"} {
		m.Put(key, 1)
	}
	m.Forget("a")
	if _, there := m.Get("a"); there {
		t.Error("a forgotten key is there")
	}
	m.Clear()
	for _, key := range []string{"b", "c"} {
		if _, there := m.Get(key); there {
			t.Errorf("%s is there after Clear", key)
		}
	}
}

func TestConcurrentUse(t *testing.T) {
	m := New[int, int](8)
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for i := range 2000 {
				m.Put(i%40, i%40)
				if got, there := m.Get((i + w) % 40); there && got != (i+w)%40 {
					t.Errorf("key %d holds %d", (i+w)%40, got)
				}
				if i%100 == 0 {
					m.Forget(i % 40)
				}
			}
		})
	}
	wg.Wait()
}
