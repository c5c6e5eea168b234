package embedded

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/nats-io/nats-server/v2/server"
)

// check compares what a server has found with what is there.
func (f *inspection) check(srv *server.Server) error {
	states, err := recovered(srv)
	if err != nil {
		return err
	}
	for key, last := range f.found {
		account, name, _ := strings.Cut(key, "/")
		dir := filepath.Join(f.dir, server.JetStreamStoreDir, account, "streams", name)
		state, ok := states[key]
		switch {
		case !ok:
			return fmt.Errorf("the server does not read the stream in %s: it may be that of a newer version, or not be readable", dir)
		case state.LastSeq < last: // State.Lost is no help: it lists what a server that was killed had removed
			return fmt.Errorf("the server has not read all messages of the stream in %s: restore the folder from a backup", dir)
		}
	}
	return nil
}

// recovered are the states of a server's streams, by account and name.
func recovered(srv *server.Server) (map[string]server.StreamState, error) {
	info, err := srv.Jsz(&server.JSzOptions{Accounts: true, Streams: true})
	if err != nil {
		return nil, err
	}
	states := make(map[string]server.StreamState)
	for _, account := range info.AccountDetails {
		for _, stream := range account.Streams {
			states[account.Id+"/"+stream.Name] = stream.State
		}
	}
	return states, nil
}
