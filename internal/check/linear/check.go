package linear

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/anishathalye/porcupine"
)

var (
	// errRejected says that no order explains a history.
	errRejected = errors.New("no order of the operations explains what was seen")

	// errUndecided says that the search for an order took longer than patience. It
	// is not a pass: a load whose histories are too hard has to be made smaller.
	errUndecided = errors.New("whether an order explains what was seen took too long to find out")
)

// patience is for one history. Those of the loads take milliseconds.
const patience = 2 * time.Minute

// A checker decides on histories and counts them.
type checker struct {
	dir string // for pictures of what is rejected; "" is the system's temporary folder

	histories, operations int
	took                  time.Duration // for checking alone
}

// check returns nil if an order explains the history. If none does, the error has
// the operations of each part that is to blame, and says where a picture of them
// is: a page on which one can see how far each attempt to explain it got.
func (k *checker) check(model porcupine.Model, history []porcupine.Operation) error {
	began := time.Now()
	result := porcupine.CheckOperationsTimeout(model, history, patience)
	k.took += time.Since(began)
	k.histories++
	k.operations += len(history)
	switch result {
	case porcupine.Ok:
		return nil
	case porcupine.Illegal:
		return k.explain(model, history)
	default:
		return fmt.Errorf("%w: %d operations", errUndecided, len(history))
	}
}

// explain looks at the parts of a history that is rejected once more.
func (k *checker) explain(model porcupine.Model, history []porcupine.Operation) error {
	parts := [][]porcupine.Operation{history}
	if model.Partition != nil {
		parts = model.Partition(history)
		model.Partition = nil
	}
	var text strings.Builder
	var guilty int
	for _, part := range parts {
		if porcupine.CheckOperationsTimeout(model, part, patience) != porcupine.Illegal {
			continue
		}
		if guilty++; guilty > 3 {
			continue // more of the same
		}
		_, info := porcupine.CheckOperationsVerbose(model, part, patience)
		fmt.Fprintf(&text, "\n%s%s", list(model, part), k.draw(model, info))
	}
	return fmt.Errorf("%w, in %d of %d parts:%s", errRejected, guilty, len(parts), text.String())
}

// draw writes the picture to a file and returns a line that says where it is.
func (k *checker) draw(model porcupine.Model, info porcupine.LinearizationInfo) string {
	f, err := os.CreateTemp(k.dir, "linear-*.html")
	if err != nil {
		return fmt.Sprintf("no picture: %v\n", err)
	}
	err = errors.Join(porcupine.Visualize(model, info, f), f.Close())
	if err != nil {
		return fmt.Sprintf("no picture: %v\n", err)
	}
	return fmt.Sprintf("picture: %s\n", f.Name())
}

// list prints a history, one operation a line.
func list(model porcupine.Model, history []porcupine.Operation) string {
	history = slices.Clone(history)
	slices.SortStableFunc(history, func(a, b porcupine.Operation) int { return cmp.Compare(a.Call, b.Call) })
	var text strings.Builder
	for _, op := range history {
		fmt.Fprintf(&text, "client %2d  %10d to %10d  %s\n",
			op.ClientId, op.Call, op.Return, model.DescribeOperation(op.Input, op.Output))
	}
	return text.String()
}

// String tells how much was checked, and how fast.
func (k *checker) String() string {
	perSecond := float64(k.operations) / max(k.took.Seconds(), 1e-9)
	return fmt.Sprintf("%d histories, %d operations, checked in %v: %.0f operations a second",
		k.histories, k.operations, k.took.Round(time.Millisecond), perSecond)
}
