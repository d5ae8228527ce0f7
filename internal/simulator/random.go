package simulator

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
)

// keys are the server's own secrets, fresh at every start. Nobody outside can
// verify a PAT, as with the real thing.
type keys struct {
	pat     []byte // signs PATs
	service []byte // root of the per-service secrets of SATs
	refresh []byte // authenticates refresh and runner tokens
	browser []byte // signs the login cookie and the form token
}

func (s *Server) newKeys() keys {
	return keys{pat: s.bytes(32), service: s.bytes(32), refresh: s.bytes(32), browser: s.bytes(32)}
}

func (s *Server) bytes(n int) []byte {
	s.randMu.Lock()
	defer s.randMu.Unlock()
	b := make([]byte, n)
	if _, err := io.ReadFull(s.rand, b); err != nil {
		panic(fmt.Sprintf("simulator: reading randomness: %v", err))
	}
	return b
}

// hex returns n random bytes as 2n hexadecimal digits.
func (s *Server) hex(n int) string { return hex.EncodeToString(s.bytes(n)) }

// opaqueToken returns n random bytes in the URL-safe alphabet.
func (s *Server) opaqueToken(n int) string {
	return base64.RawURLEncoding.EncodeToString(s.bytes(n))
}

// uuid returns a random UUID (RFC 9562 §5.4).
func (s *Server) uuid() string {
	b := s.bytes(16)
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
