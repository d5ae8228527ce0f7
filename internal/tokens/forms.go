package tokens

import (
	"encoding/binary"
	"io"
	"time"
)

// A form is what a person sent when their session was over. The browser keeps it
// until they are signed in again, sealed: it may hold anything, and what comes
// back must be what was sent, to this site, a little while ago. The server keeps
// nothing. Sealed it is
//
//	version(1) key id(4) time(8) · nonce(12) form
//
// with everything before the nonce, and the site, authenticated.

// FormAge is how long a sealed form opens.
const FormAge = 10 * time.Minute

const (
	formVersion = 1
	formHeader  = 1 + keyIDSize + 8
)

// SealForm seals a form with the newest key, for one site.
func (r *KeyRing) SealForm(random io.Reader, now time.Time, site string, form []byte) ([]byte, error) {
	key := r.newest()
	head := append([]byte{formVersion}, key.id[:]...)
	head = binary.BigEndian.AppendUint64(head, uint64(now.UnixMilli()))
	return appendSealed(random, head, key.form, form, formData(head, site))
}

// OpenForm opens a form that was sealed for the site no longer than FormAge ago.
func (r *KeyRing) OpenForm(now time.Time, site string, sealed []byte) ([]byte, bool) {
	if len(sealed) < formHeader || sealed[0] != formVersion {
		return nil, false
	}
	head := sealed[:formHeader]
	key := r.find(head[1 : 1+keyIDSize])
	if key == nil {
		return nil, false
	}
	form, err := openSealed(key.form, sealed[formHeader:], formData(head, site))
	if err != nil {
		return nil, false
	}
	age := now.Sub(time.UnixMilli(int64(binary.BigEndian.Uint64(head[1+keyIDSize:]))))
	return form, age >= -time.Minute && age < FormAge // replicas' clocks may differ a little
}

func formData(head []byte, site string) []byte {
	return append(append(make([]byte, 0, len(head)+len(site)), head...), site...)
}
