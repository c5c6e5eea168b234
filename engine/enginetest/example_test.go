package enginetest_test

import (
	"context"
	"errors"
	"fmt"

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
