package scoreboard

import (
	"bytes"
	"encoding/binary"
	"os"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

// netlinkAnswer is a well-formed answer to start from.
func netlinkAnswer() []byte {
	attr := func(kind uint16, value ...byte) []byte {
		b := binary.NativeEndian.AppendUint16(nil, uint16(4+len(value)))
		b = append(binary.NativeEndian.AppendUint16(b, kind), value...)
		return append(b, make([]byte, align4(len(b))-len(b))...)
	}
	payload := make([]byte, unixMessageSize)
	payload[1], payload[2] = unix.SOCK_STREAM, stateListen
	for _, a := range [][]byte{
		attr(attrName, []byte("/run/x.sock\x00")...), attr(attrVFS, make([]byte, 8)...), attr(attrPeer, 1, 0, 0, 0),
		attr(attrIcons, 1, 0, 0, 0, 0, 0, 0, 0), attr(attrRQLen, 2, 0, 0, 0, 8, 0, 0, 0), attr(77, 1),
	} {
		payload = append(payload, a...)
	}
	b := binary.NativeEndian.AppendUint32(nil, uint32(unix.SizeofNlMsghdr+len(payload)))
	b = binary.NativeEndian.AppendUint16(b, sockDiagByFamily)
	b = append(b, make([]byte, unix.SizeofNlMsghdr-len(b))...)
	return append(b, payload...)
}

func TestParseUnixSocket(t *testing.T) {
	m, rest, err := splitMessage(netlinkAnswer())
	must(t, err)
	s, err := parseUnixSocket(m.payload)
	must(t, err)
	if len(rest) != 0 || string(s.name) != "/run/x.sock\x00" || !s.bound || s.peer != 1 || s.queued != 2 || s.backlog != 8 ||
		!slices.Equal(s.waiters(), waiters(1, 0)) {
		t.Errorf("%+v", s)
	}
}

// Every cut of an answer is an error or a smaller answer, never a panic; the fuzz
// target goes on from there.
func FuzzNetlink(f *testing.F) {
	answer := netlinkAnswer()
	for i := range answer {
		f.Add(answer[:i])
	}
	f.Add(answer)
	f.Fuzz(func(t *testing.T, b []byte) {
		c := diagConn{}
		total := 0
		c.walk(slices.Clip(b), true, func(payload []byte) error {
			total += len(payload)
			if s, err := parseUnixSocket(payload); err == nil && 4*len(s.waiters()) > len(payload) {
				t.Fatal("more waiters than bytes")
			}
			parseInetSocket(payload)
			return nil
		})
		if total > len(b) {
			t.Fatalf("%d bytes of payload in %d", total, len(b))
		}
		parseAddress(b)
	})
}

func FuzzStat(f *testing.F) {
	own, err := os.ReadFile("/proc/self/stat")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(own)
	f.Add([]byte("1 (a) b (c) R 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21"))
	f.Add([]byte("1 () Z"))
	f.Add([]byte(") 1 ("))
	f.Fuzz(func(t *testing.T, b []byte) {
		if s, err := parseStat(slices.Clip(b)); err == nil && (s.PID < 0 || len(s.Command) > len(b) || s.State == 0 && !slices.Contains(b, 0)) {
			t.Fatalf("%+v", s)
		}
	})
}

func FuzzCall(f *testing.F) {
	for _, s := range []string{
		"running\n", "-1 0x7ffd 0x7f\n", "43 0x0 0x7ffd 0x7ffd 0x80000 0x0 0x0 0x7ffd425c2b68 0x7f617c728f63\n",
		"43 0x0", "99999999999999999999 0x0 0x0 0x0 0x0 0x0 0x0 0x0 0x0", "-2 0 0 0 0 0 0 0 0", "",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := parseCall(slices.Clip(b))
		if err == nil && (c.number < 0 || c.running && c.number != 0) {
			t.Fatalf("%+v", c)
		}
		_ = kindOf(c.number) // for any number, without a panic
	})
}

func TestParseCall(t *testing.T) {
	c, err := parseCall([]byte("43 0x1 0x2 0x3 0x4 0x5 0x6 0x7ffd425c2b68 0x7f617c728f63\n"))
	if err != nil || c.number != 43 || c.args != [6]uint64{1, 2, 3, 4, 5, 6} || c.stack != 0x7ffd425c2b68 {
		t.Errorf("%+v, %v", c, err)
	}
	if c, err := parseCall([]byte("running\n")); err != nil || !c.running {
		t.Errorf("%+v, %v", c, err)
	}
	if c, err := parseCall([]byte("-1 0x7ffd 0x7f\n")); err != nil || !c.none {
		t.Errorf("%+v, %v", c, err)
	}
}

const procNetUnixSample = `Num       RefCount Protocol Flags    Type St Inode Path
000000000fe4370c: 00000002 00000000 00010000 0001 01  100 /run/x.sock
0000000000000001: 00000003 00000000 00000000 0001 02     0 /run/x.sock
0000000000000002: 00000003 00000000 00000000 0001 03   102 /run/x.sock
0000000000000003: 00000002 00000000 00000000 0001 03 10300 /run/x.sock
0000000000000004: 00000003 00000000 00000000 0001 03   104 /run/x.sock2
0000000000000005: 00000003 00000000 00000000 0002 01   105 /run/x.sock
0000000000000006: 00000003 00000000 00000000 0001 03   106
0000000000000007: 00000003 00000000 00000000 0001 03   107 /run/with
newline
0000000000000008: 000
`

func TestParseProcNetUnix(t *testing.T) {
	l := parseProcNetUnix([]byte(procNetUnixSample), "/run/x.sock", 100)
	if l.listeners != 1 || !l.ours || l.queued != 1 || !slices.Equal(l.accepted, []Conn{{Inode: 102}, {Inode: 10300, Gone: true}}) {
		t.Errorf("%+v", l)
	}
	if l := parseProcNetUnix([]byte(procNetUnixSample), "/run/x.sock", 101); l.ours {
		t.Errorf("%+v", l)
	}
}

func FuzzProcNetUnix(f *testing.F) {
	f.Add([]byte(procNetUnixSample))
	f.Fuzz(func(t *testing.T, b []byte) {
		l := parseProcNetUnix(slices.Clip(b), "/run/x.sock", 100)
		if n := l.listeners + l.queued + len(l.accepted); n > 1+bytes.Count(b, []byte{'\n'}) {
			t.Fatalf("%d sockets in %d lines", n, 1+bytes.Count(b, []byte{'\n'}))
		}
	})
}

func TestParseTargets(t *testing.T) {
	got := parseTargets([]byte("pos:\t0\nflags:\t02000002\nino:\t1038\n" +
		"tfd:        3 events:       19 data:                3  pos:0 ino:85f5 sdev:9\n" +
		"tfd:        4 events: 8000201d data:                4\n" + "tfd: x events: 1\ntfd: 5\n"))
	if !slices.Equal(got, []target{{3, 0x19, 0x85f5}, {4, 0x8000201d, 0}}) {
		t.Errorf("%+v", got)
	}
}

// The small parsers of /proc.
func FuzzProc(f *testing.F) {
	f.Add([]byte("tfd:        3 events:       19 data:                3  pos:0 ino:85f5 sdev:9\n"))
	f.Add([]byte("Rss:  12 kB\nPss:   123 kB\n"))
	f.Add([]byte("1 2 3 4"))
	f.Add([]byte("socket:[123]"))
	f.Add(append(make([]byte, 16), 24, 0, 4, '1', '2', 0, 0, 0))
	f.Fuzz(func(t *testing.T, b []byte) {
		b = slices.Clip(b)
		parseTargets(b)
		parseFDInfo(b)
		parseKilobytes(b, "Pss")
		parseResident(b)
		parseSocketLink(b)
		parseDirents(b, func(n int) {
			if n < 0 {
				t.Fatal(n)
			}
		})
		for _, fd := range setBits(b, 100) {
			if fd < 0 || fd >= 100 {
				t.Fatal(fd)
			}
		}
	})
}
