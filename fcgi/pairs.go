package fcgi

import (
	"encoding/binary"
	"maps"
	"slices"
)

// appendPairs encodes name-value pairs (specification section 3.4), sorted by name.
func appendPairs(dst []byte, pairs map[string]string) []byte {
	for _, name := range slices.Sorted(maps.Keys(pairs)) {
		value := pairs[name]
		dst = appendLength(dst, len(name))
		dst = appendLength(dst, len(value))
		dst = append(dst, name...)
		dst = append(dst, value...)
	}
	return dst
}

func appendLength(dst []byte, n int) []byte {
	if n < 1<<7 {
		return append(dst, byte(n))
	}
	return binary.BigEndian.AppendUint32(dst, uint32(n)|1<<31)
}

// parsePairs returns the pairs up to the first that does not fit into b. What
// cannot be read is dropped: a peer that answers at all is alive.
func parsePairs(b []byte) map[string]string {
	pairs := map[string]string{}
	for len(b) > 0 {
		nameLen, rest, ok := cutLength(b)
		if !ok {
			break
		}
		valueLen, rest, ok := cutLength(rest)
		if !ok || uint64(nameLen)+uint64(valueLen) > uint64(len(rest)) {
			break
		}
		name, value := rest[:nameLen], rest[nameLen:nameLen+valueLen]
		pairs[string(name)] = string(value)
		b = rest[nameLen+valueLen:]
	}
	return pairs
}

func cutLength(b []byte) (n uint32, rest []byte, ok bool) {
	switch {
	case len(b) == 0:
		return 0, nil, false
	case b[0] < 1<<7:
		return uint32(b[0]), b[1:], true
	case len(b) < 4:
		return 0, nil, false
	default:
		return binary.BigEndian.Uint32(b) &^ (1 << 31), b[4:], true
	}
}
