package codec_test

import (
	"errors"
	"fmt"
	"reflect"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
	"github.com/resultpool/resultpool/store/codec"
)

// Thumb is a result as tasks return it.
type Thumb struct {
	Name   string
	Pixels []byte
	cached bool `json:"-"` // may come back zero: New refuses a field that is not exported and not tagged
}

// Does your R survive? Ask in a test, with every field set.
func ExampleCodec_Encode() {
	c, err := codec.New[Thumb](nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	before := store.Result[Thumb]{ID: 7, Value: Thumb{Name: "a.png", Pixels: []byte{1, 2}, cached: true}}
	data, err := c.Encode(before)
	if err != nil {
		fmt.Println(err)
		return
	}
	after, err := c.Decode(before.ID, data)
	if err != nil {
		fmt.Println(err)
		return
	}
	if !reflect.DeepEqual(before.Value, after.Value) {
		fmt.Printf("%+v\n%+v\n", before.Value, after.Value)
	}
	// Output:
	// {Name:a.png Pixels:[1 2] cached:true}
	// {Name:a.png Pixels:[1 2] cached:false}
}

var errTooSmall = errors.New("image is too small")

// Errors that the program asks for by errors.Is are registered, each under a code of
// its own, which stays the same for as long as there is data.
func ExampleOptions() {
	c, err := codec.New[Thumb](&codec.Options{Errors: map[string]error{
		"too_small":       errTooSmall,
		"pool.no_workers": pool.ErrNoWorkers,
	}})
	if err != nil {
		fmt.Println(err)
		return
	}
	data, err := c.Encode(store.Result[Thumb]{ID: 7, Err: fmt.Errorf("a.png: %w", errTooSmall)})
	if err != nil {
		fmt.Println(err)
		return
	}
	res, err := c.Decode(7, data)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(res.Err)
	fmt.Println(errors.Is(res.Err, errTooSmall), errors.Is(res.Err, pool.ErrNoWorkers))
	// Output:
	// a.png: image is too small
	// true false
}
