package codec_test

import (
	"bytes"
	"encoding/gob"
	"fmt"

	"github.com/resultpool/resultpool/store"
	"github.com/resultpool/resultpool/store/codec"
)

// Gob writes values with package encoding/gob, which keeps what is in an interface if
// its type was registered with gob.Register.
type Gob struct{}

func (Gob) Marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	err := gob.NewEncoder(&b).Encode(v)
	return b.Bytes(), err
}

func (Gob) Unmarshal(data []byte, v any) error {
	return gob.NewDecoder(bytes.NewReader(data)).Decode(v)
}

// Point is a key that JSON does not take.
type Point struct{ X, Y int }

// Values are replaced by a type with two methods.
func ExampleValues() {
	c, err := codec.New[map[Point]string](&codec.Options{Values: Gob{}}) // JSON takes no such keys
	if err != nil {
		fmt.Println(err)
		return
	}
	data, err := c.Encode(store.Result[map[Point]string]{ID: 7, Value: map[Point]string{{1, 2}: "here"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	res, err := c.Decode(7, data)
	fmt.Println(res.Value, err)
	// Output: map[{1 2}:here] <nil>
}
