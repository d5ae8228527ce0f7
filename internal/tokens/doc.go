// Package tokens keeps the tokens of signed-in browsers: what a session is, the
// ticket that opens it, how a record is sealed, what a store must do, and the
// vault that creates, opens, refreshes and ends sessions.
//
// It is the domain of the gateway and knows nothing of HTTP, of OSC's endpoints
// or of any particular store. Every cryptographic decision of the project
// (names, nonces, ages, the key ring) is made here.
//
// # Who can read what
//
// The browser holds a [Ticket]: 256 random bits. The store holds a [Record]
// under a [Name], a one-way hash of the ticket. What operating needs (user,
// tenant, times) is sealed with the master key; the tokens are sealed with a key
// made of the ticket and the master key. So a dump of the store opens no token,
// not even together with the master key, and a ticket opens none without it.
package tokens
