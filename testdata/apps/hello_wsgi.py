"""A WSGI application for uWSGI, whose FastCGI ignores all but requests."""
import os


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"hello from %d\n" % os.getpid()]
