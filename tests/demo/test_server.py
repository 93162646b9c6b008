"""The server of `--mode=demo`: what is served, and what is not."""

import contextlib
import re
import socket
import threading
import time

import pytest

from srnas_tf.demo import bundle, server
from srnas_tf.errors import UserError

QUICK = server.Limits(head=2048, asking=0.3, taking=0.5, clients=2)


@pytest.fixture
def folder(tmp_path):
    """A page, and what lies in and beside it that is none of the page."""
    made = tmp_path / "page"
    (made / "model").mkdir(parents=True)
    (made / "index.html").write_text("<!doctype html>")
    (made / "model" / "large.onnx").write_bytes(bytes(20_000_000))
    (made / ".hidden.js").write_text("secret")
    (made / "notes.txt").write_text("secret")
    (tmp_path / "secret.js").write_text("secret")
    (made / "link.js").symlink_to(tmp_path / "secret.js")
    (made / "up").symlink_to(tmp_path)
    return made


@pytest.fixture
def serving(folder):
    with server.Server("127.0.0.1", 0, QUICK) as listening:
        listening.files = server.files_of(folder)
        threading.Thread(target=listening.serve_forever, args=(0.01,), daemon=True).start()
        yield listening
        listening.shutdown()


def connect(serving) -> socket.socket:
    return socket.create_connection(("127.0.0.1", serving.server_port), timeout=10)


def everything(client: socket.socket) -> bytes:
    read = b""
    while more := client.recv(65536):
        read += more
    return read


def ask(serving, line: str, host: str | None = None) -> tuple[int, dict[str, str], bytes]:
    """(status, headers, body) of a request line, to the letter as it is written."""
    with connect(serving) as client:
        client.sendall(f"{line} HTTP/1.1\r\nHost: {host or f'127.0.0.1:{serving.server_port}'}\r\n\r\n".encode())
        head, _, body = everything(client).partition(b"\r\n\r\n")
    status, *headers = head.decode().split("\r\n")
    return int(status.split()[1]), dict(header.split(": ", 1) for header in headers), body


def test_serves_the_page_with_headers_that_keep_it_to_itself(serving):
    status, headers, body = ask(serving, "GET /?tile=64")
    assert (status, body) == (200, b"<!doctype html>")
    assert headers.items() >= server.HEADERS.items()
    assert headers["Content-Type"] == "text/html; charset=utf-8"
    assert "Python" not in headers["Server"]
    status, headers, body = ask(serving, "HEAD /model/large.onnx")
    assert (status, headers["Content-Length"], body) == (200, "20000000", b"")


@pytest.mark.parametrize(
    "path",
    ["/../secret.js", "/%2e%2e/secret.js", "/..%2fsecret.js", "/model/../../secret.js", "/model/..", "//secret.js",
     "/link.js", "/up/secret.js", "/.hidden.js", "/notes.txt", "/model", "/model/", "/model/..%5c..%5csecret.js",
     "/index.html%00.js", "http://127.0.0.1/index.html", "/etc/passwd", "secret.js", "*"],
)  # fmt: skip
def test_nothing_else_is_served(serving, path):
    status, headers, body = ask(serving, f"GET {path}")
    assert (status, body) == (404, b"404 Not Found\n")
    assert headers.items() >= server.HEADERS.items()


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "CONNECT", "FLY"])
def test_nothing_is_taken(serving, method):
    status, headers, _ = ask(serving, f"{method} /")
    assert (status, headers["Allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize("host", ["example.com", "evil.test:80", "127.0.0.1:1", ""])
def test_other_names_that_lead_here_are_refused(serving, host):
    """A page from elsewhere whose name was made to lead to this machine."""
    assert ask(serving, "GET /", host or " ")[0] == 421
    assert ask(serving, "GET /", f"LOCALHOST:{serving.server_port}")[0] == 200


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET /" + b"a" * 5000 + b" HTTP/1.1\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\n" + b"".join(b"X-%d: y\r\n" % i for i in range(500)) + b"\r\n", 431),
        (b"GET / HTTP/1.1\r\n" + b"".join(b"X%d:\r\n" % i for i in range(150)) + b"\r\n", 431),
        (b"\r\n\r\n", None),
        (b"GET\r\n\r\n", 400),
        (b"GET / HTTP/x\r\n\r\n", 400),
        (b"GET / HTTP/9.9\r\n\r\n", 505),
        (b"GET /\r\n\r\n", 421),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n\n", 400),
    ],
)
def test_requests_that_are_none(serving, request_, status):
    with connect(serving) as client:
        client.sendall(request_)
        answer = everything(client)
    assert answer.startswith(b"HTTP/1.0 %d " % status if status else b"")
    assert status is None or b"Content-Security-Policy" in answer
    assert ask(serving, "GET /")[0] == 200


def test_a_slow_asker_is_turned_away(serving):
    """A byte now and then does not keep the connection open."""
    start = time.monotonic()
    with connect(serving) as client:
        client.sendall(b"GET / HTTP/1.1\r\n")
        answer = b""
        client.settimeout(0.05)
        while not answer and time.monotonic() < start + 5:
            try:
                client.sendall(b"X")
                answer = client.recv(100)
            except TimeoutError:
                pass
    assert answer.startswith(b"HTTP/1.0 408 ")
    assert time.monotonic() - start < 2


def test_a_slow_taker_is_left(serving):
    with connect(serving) as client:
        client.sendall(b"GET /model/large.onnx HTTP/1.1\r\nHost: localhost:%d\r\n\r\n" % serving.server_port)
        time.sleep(1.0)  # longer than QUICK.taking
        read = b""
        with contextlib.suppress(ConnectionError):
            while more := client.recv(65536):
                read += more
    assert read.startswith(b"HTTP/1.0 200 ")
    assert len(read) < 20_000_000


def test_who_comes_takes_the_place_of_who_has_been_asking_longest(serving):
    with connect(serving) as first, connect(serving) as second, connect(serving) as third:
        with contextlib.suppress(ConnectionError):
            assert everything(first) == b""
        assert everything(second).startswith(b"HTTP/1.0 408 ")  # what was asked for never came
        assert everything(third).startswith(b"HTTP/1.0 408 ")
    time.sleep(0.1)
    assert ask(serving, "GET /")[0] == 200


def test_who_takes_an_answer_stays_as_long_as_others_only_ask(serving):
    serving.limits = QUICK._replace(taking=60)
    with connect(serving) as taking:
        taking.sendall(b"GET /model/large.onnx HTTP/1.1\r\nHost: localhost:%d\r\n\r\n" % serving.server_port)
        read = taking.recv(65536)
        others = [connect(serving) for _ in range(5)]
        while more := taking.recv(65536):
            read += more
        for other in others:
            other.close()
    assert len(read) > 20_000_000


SLOW = {"ask a byte at a time": b"G", "take nothing": b"GET /model/large.onnx HTTP/1.1\r\nHost: localhost:%d\r\n\r\n"}


@pytest.mark.parametrize("how", SLOW)
def test_a_hundred_slow_clients_who_come_again_keep_nobody_out(folder, how):
    with server.Server("127.0.0.1", 0) as listening:  # with the usual limits
        listening.files = server.files_of(folder)
        threading.Thread(target=listening.serve_forever, args=(0.01,), daemon=True).start()
        says = SLOW[how] % listening.server_port if b"%" in SLOW[how] else SLOW[how]
        over = threading.Event()

        def refill():
            clients = []
            while not over.is_set():
                while len(clients) < 100:
                    client = connect(listening)
                    client.sendall(says)
                    client.setblocking(False)
                    clients.append(client)
                clients = [client for client in clients if _is_open(client, drain=how.startswith("ask"))]
                time.sleep(0.01)
            for client in clients:
                client.close()

        thread = threading.Thread(target=refill)
        thread.start()
        time.sleep(1)
        answers = [ask(listening, "GET /")[0] for _ in range(29)]
        over.set()
        thread.join()
        listening.shutdown()
    assert answers == [200] * 29


def _is_open(client: socket.socket, drain: bool) -> bool:
    try:
        return not drain or bool(client.recv(1000))
    except BlockingIOError:
        return True
    except OSError:
        return False


def test_only_a_loopback_server_goes_by_names():
    hosts = ("127.0.0.1", "127.8.9.1", "::1", "localhost", "0.0.0.0", "::", "192.168.1.2", "example.com", "")
    assert [host for host in hosts if server.is_loopback(host)] == ["127.0.0.1", "127.8.9.1", "::1", "localhost"]
    with server.Server("0.0.0.0", 0) as open_to_all:
        assert open_to_all.names is None


@pytest.mark.parametrize("host", ["no.such.host.invalid", "999.1.1.1", "a" * 70 + ".com", "192.0.2.1"])
def test_a_host_that_is_none(host):
    with pytest.raises(UserError, match="--host="):
        server.Server(host, 0)


def test_a_port_in_use(serving):
    with pytest.raises(UserError, match=f"--port={serving.server_port}"):
        server.Server("127.0.0.1", serving.server_port)


def test_the_page_says_of_itself_what_the_server_says():
    page = (bundle.PAGE / "index.html").read_text("utf-8")
    policy = re.search(r'http-equiv="Content-Security-Policy" content="(.+?)"', page)[1]
    assert f"{policy}; frame-ancestors 'none'" == server.HEADERS["Content-Security-Policy"]
    assert not re.search(r"https?://", page), "the page works offline"
