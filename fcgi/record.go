package fcgi

import (
	"encoding/binary"
	"strconv"
)

// Record types, FastCGI specification 1.0 section 8.
const (
	typeBeginRequest    = 1
	typeAbortRequest    = 2
	typeEndRequest      = 3
	typeParams          = 4
	typeStdin           = 5
	typeStdout          = 6
	typeStderr          = 7
	typeGetValues       = 9
	typeGetValuesResult = 10
	typeUnknownType     = 11
)

const (
	version     = 1
	headerLen   = 8
	maxContent  = 65535
	flagKeep    = 1 // FCGI_KEEP_CONN
	minEndBytes = 5 // application and protocol status; the three reserved bytes may be rubbish or absent
)

// ProtocolStatus is the last word of FCGI_END_REQUEST (specification section 5.5).
type ProtocolStatus uint8

// The four statuses that the specification knows.
const (
	RequestComplete  ProtocolStatus = 0
	CannotMultiplex  ProtocolStatus = 1
	WorkerOverloaded ProtocolStatus = 2
	UnknownRole      ProtocolStatus = 3
)

func (s ProtocolStatus) String() string {
	switch s {
	case RequestComplete:
		return "request complete"
	case CannotMultiplex:
		return "cannot multiplex"
	case WorkerOverloaded:
		return "overloaded"
	case UnknownRole:
		return "unknown role"
	default:
		return "protocol status " + strconv.Itoa(int(s))
	}
}

type recordHeader struct {
	version uint8
	kind    uint8
	id      uint16
	length  int
	padding int
}

func parseHeader(b []byte) recordHeader {
	return recordHeader{
		version: b[0],
		kind:    b[1],
		id:      binary.BigEndian.Uint16(b[2:]),
		length:  int(binary.BigEndian.Uint16(b[4:])),
		padding: int(b[6]),
	}
}

// putHeader fills b[:8]. length is at most 65535, padding at most 255.
func putHeader(b []byte, kind uint8, id uint16, length, padding int) {
	b[0], b[1] = version, kind
	binary.BigEndian.PutUint16(b[2:], id)
	binary.BigEndian.PutUint16(b[4:], uint16(length))
	b[6], b[7] = byte(padding), 0
}

// appendRecord appends one record; content is at most 65535 bytes.
func appendRecord(dst []byte, kind uint8, id uint16, content []byte, padding int) []byte {
	var head [headerLen]byte
	putHeader(head[:], kind, id, len(content), padding)
	dst = append(dst, head[:]...)
	dst = append(dst, content...)
	return append(dst, make([]byte, padding)...)
}

func appendEnd(dst []byte, id uint16, app uint32, status ProtocolStatus) []byte {
	body := make([]byte, 8)
	binary.BigEndian.PutUint32(body, app)
	body[4] = byte(status)
	return appendRecord(dst, typeEndRequest, id, body, 0)
}
