"""The processes that train together, from TF_CONFIG."""

import contextlib
import json
import os
import re
import socket
import time
from typing import Any, NamedTuple

from srnas_tf import reading
from srnas_tf.errors import UserError, WorkError

EXAMPLE = '{"cluster": {"worker": ["host0:2222", "host1:2222"]}, "task": {"type": "worker", "index": 0}}'
TASKS = ("chief", "worker")
"""The tasks of a training. Without a `chief`, worker 0 is the chief."""

_HELLO, _GO, _LONGEST = "srnas_tf ", b"go", 64
_PAUSE = 0.5
"""Seconds."""


class Cluster(NamedTuple):
    """The processes of one training, and the place of this one.

    Attributes:
        addresses: host:port of each, the chief's first.
        place: number of this process, counted from 0.
        chief_apart: whether the chief is a task of its own, apart from worker 0.
    """

    addresses: tuple[str, ...]
    place: int
    chief_apart: bool = False

    @property
    def is_chief(self) -> bool:
        """Whether this process is the one that writes files."""
        return self.place == 0

    def named(self, text: str) -> str | None:
        """The other process that a text of TensorFlow names, and its address; None if there is none."""
        for job, index in re.findall(r"/job:(chief|worker)(?:/replica:0)?/task:(\d+)", text):
            place = int(index) + (self.chief_apart and job == "worker")
            if place != self.place and place < len(self.addresses):
                return f"worker {index} ({self.addresses[place]})" if place else self.chief
        return None

    @property
    def chief(self) -> str:
        """The chief's name in messages."""
        return f"the chief ({self.addresses[0]})"


def read_cluster() -> Cluster:
    """The cluster that the environment's TF_CONFIG describes.

    Raises:
        UserError: if there is none, or it contradicts itself.
    """
    config = _parse(os.environ.get("TF_CONFIG", ""))
    jobs, task = (_part(config, name, dict) for name in ("cluster", "task"))
    for job in jobs:
        if job not in TASKS:
            raise _mistake(f'a "{job}" takes no part here, only {" and ".join(TASKS)} do')
    addresses = {job: _addresses(job, jobs[job]) for job in TASKS if job in jobs}
    if len(addresses.get("chief", ())) > 1:
        raise _mistake("more than one chief")
    everyone = [address for job in addresses.values() for address in job]
    if len(set(everyone)) < len(everyone):
        raise _mistake("two of the addresses are equal")
    kind, index = task.get("type"), task.get("index")
    if kind not in addresses:
        raise _mistake(f"the task's type is {json.dumps(kind)}, which its cluster does not have")
    if isinstance(index, bool) or not re.fullmatch(r"\d+", str(index)) or int(index) >= len(addresses[kind]):
        last = len(addresses[kind]) - 1
        raise _mistake(f"the task's index is {json.dumps(index)}; the cluster's {kind}s are 0 to {last}")
    return Cluster(tuple(everyone), everyone.index(addresses[kind][int(index)]), "chief" in addresses)


def _parse(text: str) -> dict[str, Any]:
    if not text.strip():
        raise _mistake("missing from the environment")
    try:
        config = reading.parse(text)
    except ValueError as error:
        raise _mistake(f"is not JSON ({error})") from None
    if not isinstance(config, dict):
        raise _mistake("is not an object")
    return config


def _part(config: dict[str, Any], name: str, kind: type) -> Any:
    part = config.get(name)
    if not isinstance(part, kind) or not part:
        raise _mistake(f'has no "{name}"')
    return part


def _addresses(job: str, addresses: Any) -> list[str]:
    if not isinstance(addresses, list) or not addresses:
        raise _mistake(f'"{job}" is not a list of addresses')
    for address in addresses:
        host, _, port = str(address).rpartition(":")
        if not host or not port.isdecimal() or not 0 < int(port) < 1 << 16:
            raise _mistake(f"{json.dumps(address)} is not an address host:port")
    return addresses


def _mistake(what: str) -> UserError:
    return UserError(f"TF_CONFIG: {what}; --distribution=multiworker needs {EXAMPLE}, each process with its own index")


def gather(cluster: Cluster, patience: float) -> None:
    """Waits until all processes of a cluster are there.

    TensorFlow would wait silently for an hour, and ignore Ctrl-C. Here the chief listens at TensorFlow's address. The
    others connect, in any order, and wait until it lets all continue at once.

    Args:
        cluster: the processes.
        patience: seconds to wait.

    Raises:
        UserError: if an address cannot be used.
        WorkError: if a process has not come in time.
    """
    deadline = time.monotonic() + patience
    with _open_door(cluster.addresses[cluster.place].rpartition(":")[2]) as door:
        try:
            if cluster.is_chief:
                _let_in(cluster, door, deadline)
            else:
                _knock(cluster, deadline)
        except TimeoutError as error:
            again = "start the same command there, and here again"
            raise WorkError(f"TF_CONFIG: {error} did not come within --patience={patience:g}; {again}") from None
        except socket.gaierror as error:
            raise UserError(f"TF_CONFIG: {cluster.addresses[0]}: {error.strerror}; give a host's name") from None


def _open_door(port: str) -> socket.socket:
    """Listens at TensorFlow's address, so that an unusable address is found while all wait."""
    dual = socket.has_dualstack_ipv6()
    try:
        return socket.create_server(
            ("", int(port)), family=socket.AF_INET6 if dual else socket.AF_INET, dualstack_ipv6=dual
        )
    except OSError as error:
        raise UserError(
            f"TF_CONFIG: port {port} cannot be used here ({os.strerror(error.errno or 0)}); give another"
        ) from None


def _let_in(cluster: Cluster, door: socket.socket, deadline: float) -> None:
    missing = {str(place): address for place, address in enumerate(cluster.addresses) if place}
    inside: dict[str, socket.socket] = {}
    with contextlib.ExitStack() as closing:
        while set(inside) != set(missing):
            if time.monotonic() > deadline:
                raise TimeoutError(" and ".join(address for place, address in missing.items() if place not in inside))
            door.settimeout(_PAUSE)
            with contextlib.suppress(OSError):
                guest = closing.enter_context(door.accept()[0])
                guest.settimeout(_PAUSE)
                inside[guest.recv(_LONGEST).decode("ascii", "replace").removeprefix(_HELLO)] = guest
            inside = {place: guest for place, guest in inside.items() if place in missing and _is_there(guest)}
        for guest in inside.values():
            guest.sendall(_GO)


def _is_there(guest: socket.socket) -> bool:
    """Whether the process at the other end is still there."""
    guest.setblocking(False)
    try:
        return bool(guest.recv(1))
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        guest.setblocking(True)


def _knock(cluster: Cluster, deadline: float) -> None:
    host, _, port = cluster.addresses[0].rpartition(":")
    while time.monotonic() < deadline:
        try:
            with socket.create_connection((host.strip("[]"), int(port)), timeout=_PAUSE) as door:
                door.sendall(f"{_HELLO}{cluster.place}".encode())
                door.settimeout(max(_PAUSE, deadline - time.monotonic()))
                if door.recv(_LONGEST) == _GO:
                    return
        except socket.gaierror:
            raise
        except OSError:  # not there yet, or an earlier training is still leaving
            pass
        time.sleep(_PAUSE)
    raise TimeoutError(f"the chief, {cluster.addresses[0]},")
