"""A server on this machine that answers exactly what it is told, however wrong."""

import socketserver
import threading
from contextlib import contextmanager
from http import HTTPStatus

CONTENT = bytes(number * 7 % 251 for number in range(200_000))


class Server(socketserver.ThreadingTCPServer):
    """Gives the answers one after the other, the last one from then on; ``requests`` holds the headers that came.

    An answer is a dict: status (200), headers ({}), text or body ("start:stop" of CONTENT). Nothing is added, so that
    without a Content-Length the body ends with the connection.
    """

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, answers):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers, self.requests = list(answers), []

    def url(self, path="/counts.h5ad"):
        return f"http://127.0.0.1:{self.server_address[1]}{path}"


class _Handler(socketserver.StreamRequestHandler):
    timeout = 5

    def handle(self):
        lines = iter(lambda: self.rfile.readline().decode().strip(), "")
        asked = dict(line.split(": ", 1) for line in list(lines)[1:])
        self.server.requests.append(asked)
        answer = self.server.answers.pop(0) if len(self.server.answers) > 1 else self.server.answers[0]
        status = answer.get("status", 200)
        phrase = HTTPStatus(status).phrase if status in list(HTTPStatus) else "Unheard Of"
        head = [
            f"HTTP/1.1 {status} {phrase}",
            "Connection: close",
            *(f"{name}: {value}" for name, value in answer.get("headers", {}).items()),
        ]
        self.wfile.write(("\r\n".join(head) + "\r\n\r\n").encode("latin-1") + body_of(answer))


def body_of(answer):
    if "text" in answer:
        return answer["text"].encode()
    if isinstance(answer.get("body"), bytes):
        return answer["body"]
    start, stop = (int(number) if number else None for number in answer.get("body", "0:0").split(":"))
    return CONTENT[start:stop]


@contextmanager
def serving(answers):
    with Server(answers) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield server
        finally:  # a thread whose socket is closed would go round and round, and slow down all tests to come
            server.shutdown()
            thread.join(5)
