package tokens

// keptQueue is a heap, soonest first.
type keptQueue []*kept

func (q keptQueue) Len() int { return len(q) }

func (q keptQueue) Less(i, j int) bool { return q[i].due < q[j].due }

func (q keptQueue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].index, q[j].index = int32(i), int32(j)
}

// Push is for package heap.
func (q *keptQueue) Push(x any) {
	entry := x.(*kept)
	entry.index = int32(len(*q))
	*q = append(*q, entry)
}

// Pop is for package heap.
func (q *keptQueue) Pop() any {
	last := len(*q) - 1
	entry := (*q)[last]
	(*q)[last], entry.index = nil, -1
	*q = (*q)[:last]
	return entry
}
