#!/usr/bin/python3
"""A WSGI program served over FastCGI. README.md lists its paths.

Served by flup or flipflop when one is installed; neither is in Debian 12, so
serve_here below stands in: one thread, select on fd 0, accept, one request per
connection, as flup's single-threaded server does it.
"""
import hashlib
import io
import os
import select
import signal
import socket
import struct
import sys
import time
from urllib.parse import parse_qs

count = 0


def app(environ, start_response):
    global count
    count += 1
    query = environ.get("QUERY_STRING", "")
    path = environ.get("PATH_INFO") or environ.get("SCRIPT_NAME") or "/"
    status, pid = "200 OK", b"pid %d\n" % os.getpid()
    if path == "/":
        body = b"hello\n"
    elif path == "/sleep":
        ms = number(query, "ms")
        time.sleep(ms / 1000)
        body = b"slept %d\n" % ms
    elif path == "/big":
        body, pid = b"x" * number(query, "bytes"), b""
    elif path == "/echo":
        body = echo(environ["wsgi.input"])
    elif path == "/die":
        raise RuntimeError("asked to die")
    elif path == "/env":
        body = os.environ.get(query, "").encode() + b"\n"
    elif path == "/count":
        body = b"count %d\n" % count
    else:
        status, body = "404 Not Found", b"no such path\n"
    start_response(status, [("Content-Type", "text/plain")])
    return [body, pid]


def number(query, key):
    return int(parse_qs(query).get(key, ["0"])[0])


def echo(body):
    data = body.read()
    return b"length %d\nsha1 %s\n" % (len(data), hashlib.sha1(data).hexdigest().encode())


def serve_here(app):
    BEGIN, ABORT, END, PARAMS, STDIN, STDOUT, STDERR = range(1, 8)
    GET_VALUES, GET_VALUES_RESULT, UNKNOWN_TYPE = 9, 10, 11
    stop = []
    wake, woken = os.pipe()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: (stop.append(True), os.write(woken, b".")))

    def exactly(conn, n):
        data = b""
        while len(data) < n:
            chunk = conn.recv(n - len(data))
            if not chunk:
                raise EOFError
            data += chunk
        return data

    def record(conn):
        version, kind, ident, length, padding = struct.unpack(">BBHHBx", exactly(conn, 8))
        if version != 1:
            raise EOFError
        content = exactly(conn, length)
        exactly(conn, padding)
        return kind, ident, content

    def send(conn, kind, ident, content):
        conn.sendall(struct.pack(">BBHHBx", 1, kind, ident, len(content), 0) + content)

    def pairs(data):
        at, found = 0, {}

        def length():
            nonlocal at
            if data[at] < 128:
                at += 1
                return data[at - 1]
            at += 4
            return struct.unpack(">I", data[at - 4 : at])[0] & 0x7FFFFFFF

        while at < len(data):
            name, value = length(), length()
            found[data[at : at + name].decode("latin-1")] = data[at + name : at + name + value].decode("latin-1")
            at += name + value
        return found

    def answer(conn, ident, params, body):
        head = []

        def start_response(status, headers):
            head.append("Status: %s\r\n" % status)
            head.extend("%s: %s\r\n" % pair for pair in headers)

        environ = dict(pairs(params), **{"wsgi.input": io.BytesIO(body), "wsgi.multithread": False})
        try:
            chunks = app(environ, start_response)
        except Exception as error:
            send(conn, STDERR, ident, ("%r\n" % error).encode())
            head, chunks = ["Status: 500 Internal Server Error\r\n"], []
        output = "".join(head).encode() + b"\r\n" + b"".join(chunks)
        for at in range(0, len(output), 65528):
            send(conn, STDOUT, ident, output[at : at + 65528])
        send(conn, STDOUT, ident, b"")
        send(conn, END, ident, bytes(8))

    def request(conn):
        params, body = b"", b""
        while True:
            kind, ident, content = record(conn)
            if kind == GET_VALUES:
                send(conn, GET_VALUES_RESULT, 0, b"")
            elif kind == PARAMS:
                params += content
            elif kind == STDIN and content:
                body += content
            elif kind == STDIN:
                return answer(conn, ident, params, body)
            elif kind == ABORT:
                return send(conn, END, ident, bytes(8))
            elif kind != BEGIN:
                send(conn, UNKNOWN_TYPE, 0, bytes([kind]) + bytes(7))

    listener = socket.socket(fileno=0)
    while not stop:
        ready, _, _ = select.select([listener, wake], [], [])
        if listener not in ready:
            continue
        try:
            conn, _ = listener.accept()
        except BlockingIOError:
            continue
        with conn:
            try:
                request(conn)
            except (EOFError, OSError) as error:
                print("request cut: %r" % error, file=sys.stderr)


def main():
    for library in "flup.server.fcgi_single", "flipflop":
        try:
            module = __import__(library, fromlist=["WSGIServer"])
        except ImportError:
            continue
        return module.WSGIServer(app).run()
    return serve_here(app)


if __name__ == "__main__":
    main()
