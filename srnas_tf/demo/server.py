"""Serves a folder's files as they were at the start, from memory, and nothing else: Python's server, made strict.

A request is looked up, as it is written, among the paths of these files: no path leads anywhere else.
"""

import contextlib
import errno
import http.server
import io
import ipaddress
import socket
import socketserver
import threading
import time
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import NamedTuple, Self

from srnas_tf.errors import UserError

KINDS = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".webmanifest": "application/manifest+json",
    ".wasm": "application/wasm",
    ".onnx": "application/octet-stream",
    ".md": "text/plain; charset=utf-8",
}
"""What is served, by suffix."""

HEADERS = {
    # Scripts, among them WebAssembly, and whatever else from here alone; nothing is sent elsewhere.
    "Content-Security-Policy": "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; "
    "style-src 'self'; img-src 'self'; connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    # The page is on its own, so that browsers let its threads share memory.
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
"""Stand on every answer."""


WAKING = 0.2
"""Seconds until a signal is noticed, at the latest."""


class Limits(NamedTuple):
    """What a client may take.

    Attributes:
        head: bytes of a request; what comes after its head is never read.
        asking: seconds until a request has come.
        taking: seconds until an answer has been taken.
        clients: served at a time; one more takes the place of who has been asking longest, or taking.
    """

    head: int = 16 * 1024
    asking: float = 10.0
    taking: float = 300.0
    clients: int = 64


USUAL = Limits()


class Answer(NamedTuple):
    """A file as it is served."""

    kind: str
    content: bytes


def files_of(folder: Path) -> dict[str, Answer]:
    """A folder's files by their paths as a browser asks for them; links and hidden files are left out."""
    found = {}
    for path in sorted(folder.rglob("*")):
        below = path.relative_to(folder)
        linked = any((folder / each).is_symlink() for each in (below, *below.parents[:-1]))
        if path.is_file() and not linked and path.suffix in KINDS and not any(p.startswith(".") for p in below.parts):
            found[f"/{below.as_posix()}"] = Answer(KINDS[path.suffix], path.read_bytes())
    if "/index.html" in found:
        found["/"] = found["/index.html"]
    return found


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class _Clients:
    """Who is being served: first those who have not yet asked, then those who take an answer, each in order.

    Slow clients that come again and again cannot keep others out: who asks at once is answered before it is its turn to
    leave.
    """

    def __init__(self, most: int) -> None:
        self._most, self._lock = most, threading.Lock()
        self._asking: dict[socket.socket, None] = {}
        self._taking: dict[socket.socket, None] = {}

    def come(self, client: socket.socket) -> None:
        """One more; the first of the others is turned away where there are too many."""
        with self._lock:
            if len(self._asking) + len(self._taking) >= self._most:
                slow = self._asking or self._taking
                first = next(iter(slow))
                del slow[first]
                with contextlib.suppress(OSError):
                    first.shutdown(socket.SHUT_RDWR)  # its thread, which waits for it, sees that and ends
            self._asking[client] = None

    def asked(self, client: socket.socket) -> None:
        """It waits for its answer, or takes it."""
        with self._lock:
            if client in self._asking:
                del self._asking[client]
                self._taking[client] = None

    def leave(self, client: socket.socket) -> None:
        """It is gone."""
        with self._lock:
            self._asking.pop(client, None)
            self._taking.pop(client, None)


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    """Listens from the beginning, and answers in `serve_until_stopped` or `serve_forever`.

    Args:
        host: address or name; "" for all.
        port: 0 for one that is free.

    Attributes:
        files: what is served, by path.
        limits: what a client may take.

    Raises:
        UserError: where nothing can be served there.
    """

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, host: str, port: int, limits: Limits = USUAL) -> None:
        self.files: Mapping[str, Answer] = {}
        self.limits = limits
        self._host, self._clients = host, _Clients(limits.clients)
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            super().__init__((host, port), _Handler)
        except (OSError, UnicodeError) as error:
            taken = getattr(error, "errno", None) in (errno.EADDRINUSE, errno.EACCES)
            flag = f"--port={port}" if taken else f"--host={host}"
            reason = getattr(error, "strerror", None) or error
            raise UserError(f"{flag}: cannot serve at {host} ({reason}); give another, or leave it out") from None

    def __enter__(self) -> Self:
        return self

    @property
    def url(self) -> str:
        """Of the page."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self.server_port}/"

    @property
    def names(self) -> set[str] | None:
        """What browsers may call this server; None: anything.

        A page from elsewhere can have its own name lead to a loopback address, and must not read what is served here.
        """
        if not is_loopback(self._host):
            return None
        hosts = {"localhost", "127.0.0.1", "[::1]", f"[{self._host}]" if ":" in self._host else self._host}
        return {f"{host}:{self.server_port}" for host in hosts} | (hosts if self.server_port == 80 else set())

    def serve_until_stopped(self) -> None:
        """Answers in another thread until a signal's handler raises in this one.

        While it answers, a thread may be in a place where Python drops exceptions, as where an answer's thread is
        forgotten. This one looks up now and then: where the system gives a signal to another, nothing else wakes it.
        """
        thread = threading.Thread(target=self.serve_forever, daemon=True)
        thread.start()
        while thread.is_alive():
            time.sleep(WAKING)

    def server_bind(self) -> None:
        """Binds; the base class would ask the network for this machine's name."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = self._host, self.server_address[1]

    def process_request(self, request, client_address) -> None:
        """Answers in a thread."""
        self._clients.come(request)
        try:
            super().process_request(request, client_address)
        except BaseException:  # no thread was to be had
            self._clients.leave(request)
            raise

    def process_request_thread(self, request, client_address) -> None:
        """Runs in the thread."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._clients.leave(request)

    def asked(self, request) -> None:
        """A client has said what it wants."""
        self._clients.asked(request)

    def handle_error(self, request, client_address) -> None:
        """A client that left is no news."""


class _Handler(http.server.BaseHTTPRequestHandler):
    """One request, one answer."""

    server: Server
    server_version = "srnas_tf"
    default_request_version = "HTTP/1.0"  # answers without a head, as HTTP/0.9 has them, would lack HEADERS

    def handle(self) -> None:
        self.close_connection, self.command, self.requestline = True, "", ""
        self.request_version = self.default_request_version
        head = self._head()
        self.server.asked(self.connection)
        self.connection.settimeout(self.server.limits.taking)
        if isinstance(head, HTTPStatus):
            self.send_error(head)
        elif head:
            self.rfile = io.BufferedReader(io.BytesIO(head))
            self.handle_one_request()

    def _head(self) -> bytes | HTTPStatus:
        """The request without what follows its head, or why it is not read to its end; empty where the client left."""
        limits, read = self.server.limits, b""
        deadline = time.monotonic() + limits.asking
        while not (b"\r\n\r\n" in read or b"\n\n" in read):
            self.connection.settimeout(max(0.001, deadline - time.monotonic()))
            try:
                more = self.connection.recv(4096)
            except TimeoutError:
                return HTTPStatus.REQUEST_TIMEOUT
            if not more:
                return b""
            read += more
            if len(read) > limits.head:
                return HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
        return read

    def parse_request(self) -> bool:
        """Refuses all that does not ask for a file by a name of this server."""
        if not super().parse_request():
            return False
        self.close_connection = True
        names = self.server.names
        if self.command not in ("GET", "HEAD"):
            self.send_error(HTTPStatus.METHOD_NOT_ALLOWED)
        elif names is not None and self.headers.get("Host", "").lower() not in names:
            self.send_error(HTTPStatus.MISDIRECTED_REQUEST)
        else:
            return True
        return False

    def do_GET(self) -> None:
        answer = self.server.files.get(self.path.partition("?")[0])
        if answer:
            self._answer(HTTPStatus.OK, answer)
        else:
            self.send_error(HTTPStatus.NOT_FOUND)

    do_HEAD = do_GET  # noqa: N815  (the base class names it)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Says the status and repeats nothing of the request."""
        status = HTTPStatus(code)
        self._answer(status, Answer("text/plain; charset=utf-8", f"{status.value} {status.phrase}\n".encode()))

    def _answer(self, status: HTTPStatus, answer: Answer) -> None:
        self.send_response(status)
        for name, value in HEADERS.items():
            self.send_header(name, value)
        if status == HTTPStatus.METHOD_NOT_ALLOWED:
            self.send_header("Allow", "GET, HEAD")
        self.send_header("Content-Type", answer.kind)
        self.send_header("Content-Length", str(len(answer.content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.content)

    def version_string(self) -> str:
        return self.server_version

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing: what was asked for is the reader's own."""
