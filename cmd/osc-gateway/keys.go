package main

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"

	"github.com/caddyserver/caddy/v2"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"
)

// keySize is the length of a master key in bytes.
const keySize = 32

func init() {
	caddycmd.RegisterCommand(caddycmd.Command{
		Name:  "keys",
		Usage: "generate",
		Short: "Makes the gateway's master keys",
		Long: `
A master key seals what the gateway keeps. Without one configured, the gateway
makes one and keeps it in Caddy's storage. To change keys and sign nobody out,
put the new one first and leave the old one behind it for as long as sessions
can live:

	key {env.OSC_GATEWAY_KEY} {env.OSC_GATEWAY_OLD_KEY}
`,
		CobraFunc: func(cmd *cobra.Command) {
			cmd.AddCommand(&cobra.Command{
				Use:   "generate",
				Short: "Prints a new master key",
				Args:  cobra.NoArgs,
				RunE:  caddycmd.WrapCommandFuncForCobra(generateKey),
			})
		},
	})
}

func generateKey(caddycmd.Flags) (int, error) {
	var key [keySize]byte
	if _, err := rand.Read(key[:]); err != nil {
		return caddy.ExitCodeFailedQuit, err
	}
	fmt.Println(base64.StdEncoding.EncodeToString(key[:]))
	return caddy.ExitCodeSuccess, nil
}
