package stores

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"

	"github.com/Eyevinn/osc-gateway/internal/secret"
)

// defaultRedisPort is what Redis and Valkey listen on unless told otherwise.
const defaultRedisPort = "6379"

// RedisURL says where a Redis or Valkey is and how to sign in there.
type RedisURL struct {
	// Hosts are host:port. Of several, any one leads to the cluster, or one of
	// them is the master.
	Hosts    []string
	Username string
	Password secret.String
	Database int
	TLS      bool
}

// ParseRedisURL reads
//
//	redis[s]://[user:password@]host[:port][,host[:port]…][/database]
//
// without asking the network for anything. User and password may be
// percent-encoded, the user may be left out, the port is 6379 by default.
// Errors are sentences that repeat nothing of the URL: it holds the password.
func ParseRedisURL(raw string) (RedisURL, error) {
	rest, plain := strings.CutPrefix(raw, "redis://")
	if !plain {
		var encrypted bool
		if rest, encrypted = strings.CutPrefix(raw, "rediss://"); !encrypted {
			return RedisURL{}, errors.New("a Redis URL begins with redis://, or rediss:// for TLS")
		}
	}
	parsed := RedisURL{TLS: !plain}
	if at := strings.LastIndexByte(rest, '@'); at >= 0 {
		if err := parsed.setCredentials(rest[:at]); err != nil {
			return RedisURL{}, err
		}
		rest = rest[at+1:]
	}
	if strings.ContainsAny(rest, "?#") {
		return RedisURL{}, errors.New("a Redis URL takes no parameters: remove what follows the database")
	}
	hosts, database, _ := strings.Cut(rest, "/")
	for i, host := range strings.Split(hosts, ",") {
		address, err := redisAddress(host)
		if err != nil {
			return RedisURL{}, fmt.Errorf("host %d of the Redis URL: %w", i+1, err)
		}
		parsed.Hosts = append(parsed.Hosts, address)
	}
	if database != "" {
		number, err := strconv.ParseUint(database, 10, 31)
		if err != nil {
			return RedisURL{}, errors.New("the database at the end of a Redis URL is a number, as in redis://host:6379/0")
		}
		parsed.Database = int(number)
	}
	return parsed, nil
}

// String is the URL without what is secret in it, for logs.
func (u RedisURL) String() string {
	scheme := "redis://"
	if u.TLS {
		scheme = "rediss://"
	}
	database := ""
	if u.Database != 0 {
		database = "/" + strconv.Itoa(u.Database)
	}
	return scheme + strings.Join(u.Hosts, ",") + database
}

func (u *RedisURL) setCredentials(text string) error {
	user, password, both := strings.Cut(text, ":")
	if !both {
		return errors.New("what stands before the @ of a Redis URL is user:password, or :password alone")
	}
	user, userErr := url.PathUnescape(user)
	password, passwordErr := url.PathUnescape(password)
	if userErr != nil || passwordErr != nil { // their texts quote
		return errors.New("a % in the user or password of a Redis URL is written %25")
	}
	if password == "" {
		return errors.New("the password in the Redis URL is empty: remove all up to the @ if there is none")
	}
	u.Username, u.Password = user, secret.New(password)
	return nil
}

// redisAddress gives host:port. Its errors do not quote either: where an @ was
// forgotten, a password stands in the host's place.
func redisAddress(text string) (string, error) {
	host, port := text, defaultRedisPort
	if inner, bracketed := strings.CutPrefix(text, "["); bracketed && strings.HasSuffix(inner, "]") {
		host = strings.TrimSuffix(inner, "]")
	} else if strings.Contains(text, ":") {
		var err error
		if host, port, err = net.SplitHostPort(text); err != nil {
			return "", errors.New("it is host:port, an IPv6 address in brackets, as in [::1]:6379")
		}
	}
	if number, err := strconv.ParseUint(port, 10, 16); err != nil || number == 0 {
		return "", errors.New("the port is a number from 1 to 65535")
	}
	if strings.HasPrefix(text, "[") && net.ParseIP(strings.SplitN(host, "%", 2)[0]) == nil {
		return "", errors.New("only an IPv6 address stands in brackets")
	}
	if host == "" || strings.ContainsFunc(host, notInHostNames) {
		return "", errors.New("the host is missing or has characters no host name has")
	}
	return net.JoinHostPort(host, port), nil
}

func notInHostNames(r rune) bool {
	switch {
	case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
		return false
	}
	return !strings.ContainsRune(".-_:%", r)
}
