"""A real HTTP server on this machine for the tests of downloads."""

import contextlib
import http.server
import threading
import time
from collections.abc import Iterator
from pathlib import PurePosixPath


class Server(http.server.ThreadingHTTPServer):
    """Serves one file under several kinds of bad luck, and counts what it was asked for."""

    def __init__(self, content: bytes):
        super().__init__(("127.0.0.1", 0), Handler)
        self.content, self.asked, self.tokens = content, [], []
        self.address = f"http://127.0.0.1:{self.server_port}"


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        self.server.tokens.append(self.headers.get("Authorization"))
        content = self.server.content
        match PurePosixPath(self.path).stem:
            case "whole":
                self._answer(content)
            case "slow":
                self._answer(content, pause=0.02)
            case "broken":
                self._answer(content, sent=len(content) // 2)
            case "changed":
                self._answer(content[:-1] + bytes([content[-1] ^ 1]))
            case "redirect":
                self.send_response(302)
                self.send_header("Location", f"{self.server.address}/whole{PurePosixPath(self.path).suffix}")
                self.end_headers()
            case "login":
                self._answer(b"<!DOCTYPE html><html><body>Please log in</body></html>")
            case "refused":
                self.send_error(403)
            case _:
                self.send_error(404)

    def _answer(self, content: bytes, sent: int | None = None, pause: float = 0) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        body = content[: len(content) if sent is None else sent]
        with contextlib.suppress(ConnectionError):
            for start in range(0, len(body), 1 << 14):
                self.wfile.write(body[start : start + (1 << 14)])
                time.sleep(pause)

    def log_message(self, *_) -> None:
        """Keep the test's output quiet."""


@contextlib.contextmanager
def serving(content: bytes) -> Iterator[Server]:
    """A server of this content, in a thread of its own."""
    with Server(content) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()
