package enginetest_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/resultpool/resultpool/engine"
	"github.com/resultpool/resultpool/engine/enginetest"
)

// An engine whose answer to a Push is lost, and which then is down for a while: what
// was pushed is in the queue once.
func ExampleWithFaults() {
	ctx := context.Background()
	eng := enginetest.WithFaults(enginetest.NewMemory(nil), enginetest.Faults{
		Push: enginetest.First(1, enginetest.Lose(errors.New("connection reset"))),
	})
	tasks := [][]byte{[]byte("a task"), []byte("another")}
	_, err := eng.Push(ctx, "key-1", tasks)
	fmt.Println(err)
	eng.Down(errors.New("no route to host"))
	_, err = eng.Push(ctx, "key-1", tasks)
	fmt.Println(err)
	eng.Up()
	ids, err := eng.Push(ctx, "key-1", tasks)
	fmt.Println(len(ids), err)
	fmt.Println(eng.Size(ctx))
	// Output:
	// connection reset
	// no route to host
	// 2 <nil>
	// 2 <nil>
}

// Two processes share a queue: what one of them holds comes to the other when it is given
// back.
func ExampleMemory_Open() {
	ctx := context.Background()
	one := enginetest.NewMemory(&enginetest.MemoryOptions{QueueBound: 1})
	other := one.Open()
	_, err := one.Push(ctx, "key-1", [][]byte{[]byte("a task"), []byte("too many")})
	fmt.Println(errors.Is(err, engine.ErrFull))
	ds, _ := one.Pull(ctx, 1)
	_ = one.Nack(ctx, ds)
	ds, _ = other.Pull(ctx, 1)
	fmt.Printf("%s, attempt %d\n", ds[0].Task, ds[0].Attempt)
	// Output:
	// true
	// a task, attempt 2
}
