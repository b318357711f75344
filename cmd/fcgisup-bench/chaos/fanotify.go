package chaos

import (
	"bytes"
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// events are the permission events that wait, fanotify(7).
func events(fd int) []unix.FanotifyEventMetadata {
	buf := make([]byte, 4096)
	n, err := unix.Read(fd, buf)
	if err != nil {
		return nil // none, most likely
	}
	var all []unix.FanotifyEventMetadata
	for buf = buf[:n]; len(buf) >= binary.Size(unix.FanotifyEventMetadata{}); {
		var e unix.FanotifyEventMetadata
		if binary.Read(bytes.NewReader(buf), binary.NativeEndian, &e) != nil || e.Event_len == 0 || int(e.Event_len) > len(buf) {
			break
		}
		all = append(all, e)
		buf = buf[e.Event_len:]
	}
	return all
}

// allow lets an open go on.
func allow(fd int, event int32) {
	answer := make([]byte, 0, 8)
	answer = binary.NativeEndian.AppendUint32(answer, uint32(event))
	answer = binary.NativeEndian.AppendUint32(answer, unix.FAN_ALLOW)
	_, _ = unix.Write(fd, answer)
	_ = unix.Close(int(event))
}
