// Command oidc runs an OpenID provider: the library of Zitadel, which is
// certified as one, with the storage and the login form of its own example.
//
// What is added is what providers of companies have and the example does not:
// https, groups in the tokens, and access tokens that are JWTs. Its key is made
// when it starts, so that starting it again is a rotation.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"

	"github.com/zitadel/oidc/v3/example/server/exampleop"
	"github.com/zitadel/oidc/v3/example/server/storage"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

func main() {
	if len(os.Args) != 5 {
		fmt.Fprintln(os.Stderr, "usage: oidc HOST:PORT CERTIFICATE KEY USERS")
		os.Exit(2)
	}
	address, certificate, key, users := os.Args[1], os.Args[2], os.Args[3], os.Args[4]
	known, err := storage.StoreFromFile(users)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	storage.RegisterClients(
		storage.WebClient("tiller-edge", "secret"),
		storage.WebClient("other", "secret"),
	)
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	provider := provider{storage.NewStorage(known)}
	router := exampleop.SetupServer("https://"+address, provider, log, false)
	fmt.Fprintln(os.Stderr, http.ListenAndServeTLS(address, certificate, key, router))
	os.Exit(1)
}

// provider is the example's storage with groups.
type provider struct{ *storage.Storage }

// groups are those of the users of the tests.
var groups = map[string][]string{
	"id-alice": {"deployers", "everybody"},
	"id-bob":   {"everybody"},
}

// SetUserinfoFromRequest says what an ID token has of the user.
func (p provider) SetUserinfoFromRequest(ctx context.Context, info *oidc.UserInfo, request op.IDTokenRequest, scopes []string) error {
	if err := p.Storage.SetUserinfoFromRequest(ctx, info, request, scopes); err != nil {
		return err
	}
	info.AppendClaims("groups", groups[request.GetSubject()])
	return nil
}

// GetPrivateClaimsFromScopes says what an access token has of the user.
func (p provider) GetPrivateClaimsFromScopes(_ context.Context, user, _ string, _ []string) (map[string]any, error) {
	return map[string]any{"groups": groups[user]}, nil
}

// GetClientByClientID finds a client.
func (p provider) GetClientByClientID(ctx context.Context, id string) (op.Client, error) {
	found, err := p.Storage.GetClientByClientID(ctx, id)
	if err != nil {
		return nil, err
	}
	return client{found}, nil
}

// client is a client of the example that gets JWTs with all there is to say.
type client struct{ op.Client }

func (client) AccessTokenType() op.AccessTokenType { return op.AccessTokenTypeJWT }

func (client) IDTokenUserinfoClaimsAssertion() bool { return true }
