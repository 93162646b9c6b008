"""Serves the files of a folder from memory, as they were at the start. It restricts the server of Python's library.

The path of a request is looked up, unchanged, in a table of these files. No path can therefore reach any other file.
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
"""Content types by suffix. Other files are not served."""

HEADERS = {
    # Scripts, WebAssembly and all other content come from this server alone; nothing is sent elsewhere.
    "Content-Security-Policy": "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; "
    "style-src 'self'; img-src 'self'; connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    # The page is isolated from other origins. Browsers require that before its threads may share memory.
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
"""Headers of every response."""


WAKING = 0.2
"""Maximum time until a signal is noticed, in seconds."""


class Limits(NamedTuple):
    """Limits for clients.

    Attributes:
        head: maximum size of a request's head, in bytes; a body is never read.
        asking: maximum time for sending a request, in seconds.
        taking: maximum time for receiving a response, in seconds.
        clients: maximum number of clients at a time. If one more comes, another is disconnected: the one that has been
            sending its request for the longest time, or else the one that has been receiving longest.
    """

    head: int = 16 * 1024
    asking: float = 10.0
    taking: float = 300.0
    clients: int = 64


USUAL = Limits()


class Answer(NamedTuple):
    """A file to serve.

    Attributes:
        kind: its content type.
        content: its bytes.
    """

    kind: str
    content: bytes


def files_of(folder: Path) -> dict[str, Answer]:
    """Reads a folder's files into memory, by the paths that browsers request, such as `/index.html`.

    Symbolic links, hidden files and files of other suffixes than those in `KINDS` are omitted.
    """
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
    """Returns True if only this machine can reach an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class _Clients:
    """The connected clients: those that are sending a request, and those that are receiving a response, each in order.

    Slow clients cannot keep others out, even if they reconnect all the time. A client that sends its request at once is
    served before it becomes the oldest one, which is disconnected.
    """

    def __init__(self, most: int) -> None:
        self._most, self._lock = most, threading.Lock()
        self._asking: dict[socket.socket, None] = {}
        self._taking: dict[socket.socket, None] = {}

    def come(self, client: socket.socket) -> None:
        """Adds a client. If there are too many, the oldest of the others is disconnected."""
        with self._lock:
            if len(self._asking) + len(self._taking) >= self._most:
                slow = self._asking or self._taking
                first = next(iter(slow))
                del slow[first]
                with contextlib.suppress(OSError):
                    first.shutdown(socket.SHUT_RDWR)  # its thread waits on this socket, notices the end, and ends
            self._asking[client] = None

    def asked(self, client: socket.socket) -> None:
        """Notes that a client has sent its request."""
        with self._lock:
            if client in self._asking:
                del self._asking[client]
                self._taking[client] = None

    def leave(self, client: socket.socket) -> None:
        """Removes a client."""
        with self._lock:
            self._asking.pop(client, None)
            self._taking.pop(client, None)


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    """An HTTP server for a fixed set of files.

    It listens from its construction on, and responds in `serve_until_stopped` or `serve_forever`.

    Args:
        host: address or name; "" for all addresses of this machine.
        port: 0 for a free one.
        limits: limits for clients.

    Attributes:
        files: the files to serve, by path; at first there are none.

    Raises:
        UserError: if the server cannot listen at this address and port.
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
        """Address of the page."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self.server_port}/"

    @property
    def names(self) -> set[str] | None:
        """The allowed values of a request's `Host` header; None if every value is allowed.

        A foreign page can make its own host name resolve to a loopback address (DNS rebinding). It must not be able to
        read the files of this server.
        """
        if not is_loopback(self._host):
            return None
        hosts = {"localhost", "127.0.0.1", "[::1]", f"[{self._host}]" if ":" in self._host else self._host}
        return {f"{host}:{self.server_port}" for host in hosts} | (hosts if self.server_port == 80 else set())

    def serve_until_stopped(self) -> None:
        """Serves in another thread until the handler of a signal raises in this one.

        A serving thread can be at a point where Python drops exceptions, such as the cleanup of finished threads. This
        thread only sleeps. It wakes every `WAKING` seconds: nothing else wakes it if the system delivers a signal to
        another thread.
        """
        thread = threading.Thread(target=self.serve_forever, daemon=True)
        thread.start()
        while thread.is_alive():
            time.sleep(WAKING)

    def server_bind(self) -> None:
        """Binds to the address. The base class would also ask the network for this machine's name."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = self._host, self.server_address[1]

    def process_request(self, request, client_address) -> None:
        """Starts a thread that serves a client."""
        self._clients.come(request)
        try:
            super().process_request(request, client_address)
        except BaseException:  # no thread could be started
            self._clients.leave(request)
            raise

    def process_request_thread(self, request, client_address) -> None:
        """Serves a client; runs in its thread."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._clients.leave(request)

    def asked(self, request) -> None:
        """Notes that a client has sent its request."""
        self._clients.asked(request)

    def handle_error(self, request, client_address) -> None:
        """Ignores errors of a connection, since clients may leave at any time."""


class _Handler(http.server.BaseHTTPRequestHandler):
    """Reads one request and sends one response."""

    server: Server
    server_version = "srnas_tf"
    default_request_version = "HTTP/1.0"  # responses of HTTP/0.9 have no head, and would lack HEADERS

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
        """Reads the head of a request; returns an error status if it is too slow or too large, b"" if the client left.

        The result may end in bytes that follow the head.
        """
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
        """Refuses requests with a method other than GET and HEAD, or with a foreign host name."""
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
        """Sends the status as text. The response repeats nothing of the request."""
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
        """Logs nothing, since requests are private."""
