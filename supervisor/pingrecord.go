package supervisor

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"io"
	"os"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/fcgisup/fcgisup/supervisor/monitor/durable"
)

// PingRecordName is the record's name in a supervisor's runtime directory.
const PingRecordName = "pings.json"

// pingRecord keeps on disk which programs answer no ping, for supervisors to come:
// under systemd each start of a service is a new one, and so is each wake from
// sleep. It has digests only, since environments hold secrets. A record that cannot
// be read or written costs another ping, nothing else.
type pingRecord struct {
	// own is the file of this supervisor, others are those of the app's other
	// instances. Empty: none.
	own    string
	others []string
}

// pingRecords is the file's content.
type pingRecords struct {
	// None are the programs that answer no ping, the newest last.
	None []pingDigest `json:"none"`
}

// pingDigest is a program: HMAC-SHA256 of a pinged, keyed with Salt.
type pingDigest struct {
	Salt []byte `json:"salt"`
	Sum  []byte `json:"sum"`
}

// maxPingRecord bounds a record's file, in bytes; maxPinged digests take a tenth.
const maxPingRecord = 4096

// digest is of all that Launch.Equal compares, and of the address.
func (p pinged) digest(salt []byte) []byte {
	l := p.launch
	sum := hmac.New(sha256.New, salt)
	_ = json.NewEncoder(sum).Encode([]any{l.Argv, l.Dir, l.Env, l.UID, l.GID, l.Groups, l.Switch, l.StopSignal, p.address}) // a hash takes everything
	return sum.Sum(nil)
}

func (r pingRecords) has(of pinged) bool {
	return slices.ContainsFunc(r.None, func(d pingDigest) bool { return bytes.Equal(d.Sum, of.digest(d.Salt)) })
}

// has reports whether the record, or that of another instance, says that a program answers no ping.
func (r pingRecord) has(of pinged) bool {
	if r.own == "" {
		return false
	}
	return readPingRecord(r.own).has(of) || slices.ContainsFunc(r.others, func(path string) bool { return readPingRecord(path).has(of) })
}

// add notes that a program answers no ping.
func (r pingRecord) add(of pinged) error {
	if r.own == "" {
		return nil
	}
	all := readPingRecord(r.own)
	if all.has(of) {
		return nil
	}
	salt := make([]byte, 16)
	_, _ = rand.Read(salt) // never fails
	all.None = append(all.None, pingDigest{salt, of.digest(salt)})
	all.None = all.None[max(0, len(all.None)-maxPinged):]
	text, err := json.Marshal(all)
	if err != nil {
		return err
	}
	return durable.Replace(r.own, text)
}

// readPingRecord reads a file of our own user; one that is missing, malformed or
// anything else holds nothing.
func readPingRecord(path string) (all pingRecords) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return all
	}
	f := os.NewFile(uintptr(fd), path)
	defer f.Close()
	var st unix.Stat_t
	if unix.Fstat(fd, &st) != nil || st.Mode&unix.S_IFMT != unix.S_IFREG || int(st.Uid) != os.Geteuid() || st.Size > maxPingRecord {
		return all
	}
	text, err := io.ReadAll(io.LimitReader(f, maxPingRecord))
	if err != nil || json.Unmarshal(text, &all) != nil {
		return pingRecords{}
	}
	return all
}
