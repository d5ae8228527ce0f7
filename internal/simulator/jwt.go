package simulator

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"strings"
)

// jwtHeader is the only header signed or accepted here: what is compared as a
// whole leaves no algorithm to choose (RFC 8725 §3.1).
const jwtHeader = `{"alg":"HS256","typ":"JWT"}`

func signJWT(key []byte, claims any) string {
	payload, err := json.Marshal(claims)
	if err != nil {
		panic("simulator: claims that cannot be encoded: " + err.Error())
	}
	enc := base64.RawURLEncoding
	signed := enc.EncodeToString([]byte(jwtHeader)) + "." + enc.EncodeToString(payload)
	return signed + "." + enc.EncodeToString(jwtSum(key, signed))
}

// verifyJWT reads the claims of a token signed with key.
func verifyJWT(key []byte, token string, claims any) bool {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return false
	}
	enc := base64.RawURLEncoding.Strict()
	header, errHeader := enc.DecodeString(parts[0])
	payload, errPayload := enc.DecodeString(parts[1])
	sum, errSum := enc.DecodeString(parts[2])
	if errHeader != nil || errPayload != nil || errSum != nil || string(header) != jwtHeader {
		return false
	}
	if !hmac.Equal(jwtSum(key, parts[0]+"."+parts[1]), sum) {
		return false
	}
	return json.Unmarshal(payload, claims) == nil
}

func jwtSum(key []byte, signed string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(signed))
	return h.Sum(nil)
}
