"""Several machines: TF_CONFIG, coming together, training as one, and going on after a loss."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT, lines

from srnas_tf.arch import Space
from srnas_tf.data.sources import DataSettings
from srnas_tf.errors import UserError, WorkError
from srnas_tf.host.cluster import Cluster, gather, read_cluster
from srnas_tf.nets.files import load_supernet
from srnas_tf.train.jobs import Job
from srnas_tf.train.settings import MachineSettings, TrainSettings

PAIR = ["host0:2222", "host1:2222"]


def config(place: int, addresses=PAIR, kind="worker") -> str:
    return json.dumps({"cluster": {kind: addresses}, "task": {"type": kind, "index": place}})


def test_the_chief_comes_first(monkeypatch):
    monkeypatch.setenv("TF_CONFIG", config(1))
    assert read_cluster() == Cluster(tuple(PAIR), 1)
    jobs = {"worker": PAIR, "chief": ["host2:2222"]}
    monkeypatch.setenv("TF_CONFIG", json.dumps({"cluster": jobs, "task": {"type": "worker", "index": 1}}))
    assert read_cluster() == Cluster(("host2:2222", *PAIR), 2, chief_apart=True)
    monkeypatch.setenv("TF_CONFIG", json.dumps({"cluster": jobs, "task": {"type": "chief", "index": 0}}))
    assert read_cluster().is_chief


TASKS = {
    "itself": (Cluster(tuple(PAIR), 1), "/job:worker/replica:0/task:1/device:CPU:0", None),
    "the other": (
        Cluster(tuple(PAIR), 0),
        "node of /job:worker/task:0: lost /job:worker/task:1",
        "worker 1 (host1:2222)",
    ),
    "a chief": (Cluster(("host2:2222", *PAIR), 1, True), "/job:chief/replica:0/task:0:", "the chief (host2:2222)"),
    "beside one": (Cluster(("host2:2222", *PAIR), 0, True), "/job:worker/replica:0/task:0:", "worker 0 (host0:2222)"),
    "nobody": (Cluster(tuple(PAIR), 0), "Socket closed", None),
    "a stranger": (Cluster(tuple(PAIR), 0), "/job:worker/task:7", None),
}


@pytest.mark.parametrize("case", TASKS)
def test_whom_tensorflow_means_is_named(case):
    cluster, text, named = TASKS[case]
    assert cluster.named(text) == named


MISTAKES = {
    "missing": (None, "missing"),
    "empty": ("", "missing"),
    "no JSON": ('{"cluster": ', "not JSON"),
    "no object": ("[1]", "not an object"),
    "no cluster": ('{"task": {"type": "worker", "index": 0}}', '"cluster"'),
    "no task": (json.dumps({"cluster": {"worker": PAIR}}), '"task"'),
    "cluster is a list": (json.dumps({"cluster": PAIR, "task": {"type": "worker", "index": 0}}), '"cluster"'),
    "unknown job": (config(0, kind="ps"), '"ps"'),
    "unknown type": (config(0).replace('"type": "worker"', '"type": "boss"'), '"boss"'),
    "no type": (config(0).replace('"type": "worker", ', ""), "null"),
    "no index": (config(0).replace(', "index": 0', ""), "null"),
    "index outside": (config(2), "0 to 1"),
    "negative index": (config(-1), "0 to 1"),
    "no addresses": (config(0, []), "list of addresses"),
    "no port": (config(0, ["host0", "host1:2222"]), '"host0"'),
    "port outside": (config(0, ["host0:99999", "host1:2222"]), '"host0:99999"'),
    "one address twice": (config(0, ["host0:2222", "host0:2222"]), "equal"),
    "two chiefs": (config(0, kind="chief"), "more than one chief"),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_in_tf_config_is_one_line(invoke, monkeypatch, tmp_path, case):
    text, named = MISTAKES[case]
    monkeypatch.delenv("TF_CONFIG", raising=False)
    if text is not None:
        monkeypatch.setenv("TF_CONFIG", text)
    status, stdout, stderr = invoke("--mode=supernet", "--distribution=multiworker", f"--workdir={tmp_path / 'w'}")
    assert (status, stdout) == (2, "")
    [message] = stderr.splitlines()
    assert message.startswith("srnas_tf: TF_CONFIG: ")
    assert named in message
    assert not (tmp_path / "w").exists()


def test_a_worker_is_one_device(invoke, monkeypatch, tmp_path):
    monkeypatch.setenv("TF_CONFIG", config(0, ["host0:2222", "host1:2222"]))
    flags = ("--mode=train", "--distribution=multiworker", "--cpu_devices=2", f"--workdir={tmp_path / 'w'}")
    status, _, stderr = invoke(*flags)
    assert status == 2
    assert stderr.startswith("srnas_tf: --cpu_devices=2: ")


def free_ports(count: int) -> list[int]:
    with_ports = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [server.getsockname()[1] for server in with_ports]
    for server in with_ports:
        server.close()
    return ports


def test_all_come_together_in_any_order():
    addresses = tuple(f"127.0.0.1:{port}" for port in free_ports(3))
    come = []

    def process(place: int) -> None:
        gather(Cluster(addresses, place), 60)
        come.append(place)

    threads = {place: threading.Thread(target=process, args=(place,), daemon=True) for place in (2, 0, 1)}
    threads[2].start()
    threads[0].start()
    _come_and_leave(addresses[0], 1)
    threads[2].join(1.5)
    assert not come
    threads[1].start()
    for thread in threads.values():
        thread.join(60)
    assert sorted(come) == [0, 1, 2]


def _come_and_leave(address: str, place: int) -> None:
    host, _, port = address.rpartition(":")
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            with socket.create_connection((host, int(port))) as door:
                door.sendall(f"srnas_tf {place}".encode())
                return
        except ConnectionRefusedError:
            time.sleep(0.01)


def test_who_does_not_come_is_named():
    addresses = tuple(f"127.0.0.1:{port}" for port in free_ports(2))
    for place in (0, 1):
        with pytest.raises(WorkError, match=f"{addresses[1 - place]},? did not come within --patience=0.2"):
            gather(Cluster(addresses, place), 0.2)
    with socket.create_server(("", int(addresses[0].rpartition(":")[2]))), pytest.raises(UserError, match="cannot be"):
        gather(Cluster(addresses, 0), 1)
    with pytest.raises(UserError, match="nowhere"):
        gather(Cluster(("nowhere.invalid:2222", addresses[1]), 1), 5)


JOIN = """
from srnas_tf.host.devices import import_tensorflow
import_tensorflow(find_devices=False)
from srnas_tf.train import workers
workers.join(3.0, 3.0)
"""


def test_who_comes_and_is_lost_before_it_registers_ends_the_wait():
    """TensorFlow holds the interpreter meanwhile, and waits for ever."""
    ports = free_ports(2)
    chief = start(0, ports, "-c", JOIN)
    _come_and_stay(f"127.0.0.1:{ports[0]}", 1)
    began = time.monotonic()
    _, said = chief.communicate(timeout=60)
    assert chief.returncode == 1
    [waits, lost] = said.splitlines()
    assert waits == f"worker 0 waits for 127.0.0.1:{ports[1]}"
    assert lost.startswith(f"srnas_tf: TF_CONFIG: 127.0.0.1:{ports[1]} came and was lost before all were registered")
    assert time.monotonic() - began < 30


def _come_and_stay(address: str, place: int) -> None:
    """Until the chief lets all go on."""
    host, _, port = address.rpartition(":")
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            with socket.create_connection((host, int(port))) as door:
                door.sendall(f"srnas_tf {place}".encode())
                assert door.recv(10) == b"go"
                return
        except ConnectionRefusedError:
            time.sleep(0.1)


SPACE = Space(stages=1, depth=1, width=8, scale=2)
RECIPE = TrainSettings(
    steps=160, batch=4, patch=8, learning_rate=1e-3, validate_every=80, checkpoint_every=20, first_weights="uniform"
)
TRAIN = """
import sys
from pathlib import Path
import numpy as np
from test_workers import RECIPE, SPACE
from srnas_tf.data.sources import DataSettings
from srnas_tf.train.jobs import Job
from srnas_tf.train.settings import MachineSettings
photographs, folder, mine = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
data = DataSettings(data=photographs, degradation="photo")
job = Job(data, RECIPE, MachineSettings(distribution="multiworker"), 2, folder)
supernet = job.train_supernet(SPACE, folder / "supernet")
np.save(mine, np.concatenate([weights.ravel() for weights in supernet.get_weights()]))
print(job.shared(lambda: {"said": [1.5, "by the chief"]}))
"""
FLAGS = ("--stages=1", "--depth=1", "--width=8", "--scale=2", "--steps=160", "--batch=4", "--patch=8")
FLAGS += (
    "--learning_rate=1e-3",
    "--validate_every=80",
    "--checkpoint_every=20",
    "--first_weights=uniform",
    "--degradation=photo",
)


class Wire:
    """Carries what is sent to its port on to another one of this machine; once cut it swallows all, in silence."""

    def __init__(self, target: int) -> None:
        self.cut = threading.Event()
        self._target, self._door = target, socket.create_server(("127.0.0.1", 0))
        self._ends: list[socket.socket] = []
        self.port = self._door.getsockname()[1]
        threading.Thread(target=self._connect, daemon=True).start()

    def _connect(self) -> None:
        while True:
            near = self._door.accept()[0]
            try:
                far = near if self.cut.is_set() else socket.create_connection(("127.0.0.1", self._target))
            except ConnectionRefusedError:  # nobody there yet
                near.close()
                continue
            self._ends += [near, far]  # kept: closing would tell
            for ends in ((near, far), (far, near)):
                threading.Thread(target=self._carry, args=ends, daemon=True).start()

    def _carry(self, source: socket.socket, target: socket.socket) -> None:
        try:
            while content := source.recv(1 << 16):
                if not self.cut.is_set():
                    target.sendall(content)
        except OSError:  # the end of one is that of both
            pass
        if not self.cut.is_set():
            for end in (source, target):
                end.close()


def start(place: int, ports: list[int], *line: str) -> subprocess.Popen:
    """A worker on the loopback device."""
    addresses = [f"127.0.0.1:{port}" for port in ports]
    paths = os.pathsep.join(map(str, (ROOT, ROOT / "tests", ROOT / "tests" / "train")))
    environment = {**os.environ, "PYTHONPATH": paths, "TF_CONFIG": config(place, addresses)}
    pipe = subprocess.PIPE
    return subprocess.Popen([sys.executable, *line], env=environment, stdout=pipe, stderr=pipe, text=True)


def start_all(*lines: tuple[str, ...]) -> list[subprocess.Popen]:
    ports = free_ports(len(lines))
    return [start(place, ports, *line) for place, line in enumerate(lines)]


def start_apart(*lines: tuple[str, ...]) -> tuple[list[Wire], list[subprocess.Popen]]:
    """Workers that know each other by the wires between them."""
    ports = free_ports(len(lines))
    wires = [Wire(port) for port in ports]
    ends = [wire.port for wire in wires]
    return wires, [
        start(place, [*ends[:place], ports[place], *ends[place + 1 :]], *line) for place, line in enumerate(lines)
    ]


def ends(processes: list[subprocess.Popen]) -> list[tuple[int, str, str]]:
    """Exit status, stdout and stderr of each."""
    outputs = [process.communicate(timeout=300) for process in processes]
    return [(process.returncode, *output) for process, output in zip(processes, outputs, strict=True)]


def weights_of(supernet) -> np.ndarray:
    return np.concatenate([weights.ravel() for weights in supernet.get_weights()])


@pytest.fixture(scope="module")
def photographs(tmp_path_factory) -> Path:
    from conftest import photograph
    from PIL import Image

    folder = tmp_path_factory.mktemp("workers") / "photographs"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for i in range(6):
        Image.fromarray(photograph(rng, 60 + 2 * i, 70 - i)).save(folder / f"{i:02}.png")
    return folder


@pytest.fixture(scope="module")
def undisturbed(photographs, tmp_path_factory) -> list[np.ndarray]:
    """The weights that each of two workers ends with."""
    folder = tmp_path_factory.mktemp("workers")
    files = [folder / f"{place}.npy" for place in range(2)]
    arguments = ("-c", TRAIN, str(photographs), str(folder / "work"))
    for status, stdout, stderr in ends(start_all(*((*arguments, str(file)) for file in files))):
        assert status == 0, stderr
        assert stdout == "{'said': [1.5, 'by the chief']}\n"
    assert lines(folder / "work" / "supernet" / "metrics.jsonl")[-1]["val_psnr"]
    return [np.load(file) for file in files]


def test_two_workers_train_as_one(photographs, undisturbed, tmp_path):
    np.testing.assert_array_equal(*undisturbed)
    data = DataSettings(data=str(photographs), degradation="photo")
    alone = Job(data, RECIPE, MachineSettings(), 2, tmp_path)
    np.testing.assert_allclose(weights_of(alone.train_supernet(SPACE, tmp_path)), undisturbed[0], atol=1e-6)


def _cut(wires: list[Wire], other: subprocess.Popen) -> None:
    for wire in wires:
        wire.cut.set()


SILENT, AGAIN = "nothing is heard from", "start the same command on all workers again"
ENDINGS = {
    "the network": (
        _cut,
        (1, f"{SILENT} worker 1 .*: its process, its host, or the network"),
        (1, f"{SILENT} the chief"),
    ),
    "SIGTERM": (
        lambda wires, other: other.terminate(),
        (1, "another worker was told to stop, after step"),
        (128 + signal.SIGTERM, "stopped by SIGTERM; the same command continues"),
    ),
    "SIGKILL": (lambda wires, other: other.kill(), (1, "worker"), (-signal.SIGKILL, "")),
}
"""What ends a worker; then the status of the chief and of the other, and what their last lines say."""


def test_whatever_ends_a_worker_costs_the_steps_since_the_last_checkpoint(photographs, undisturbed, tmp_path):
    """The same training is ended in one way after the other, and comes to what it would have come to."""
    work = tmp_path / "work"
    line = ("-m", "srnas_tf.run", "--mode=supernet", f"--data={photographs}", f"--workdir={work}", *FLAGS)
    both = [(*line, "--distribution=multiworker")] * 2
    journal = work / "supernet" / "metrics.jsonl"
    for disturb, *expected in ENDINGS.values():
        wires, workers = start_apart(*((*line, "--silence=8") if disturb is _cut else line for line in both))
        written = _lines_of(journal)
        deadline = time.monotonic() + 200
        while time.monotonic() < deadline and _lines_of(journal) < written + 2:
            assert [worker.poll() for worker in workers] == [None, None], ends(workers)
            time.sleep(0.01)
        disturb(wires, workers[1])
        ended = ends(workers)
        for (status, stdout, stderr), (status_due, says) in zip(ended, expected, strict=True):
            assert (status, stdout) == (status_due, ""), stderr
            assert "Traceback" not in stderr
            assert re.search(says, stderr.splitlines()[-1])
        said = ended[0][2].splitlines()
        assert said[0].startswith("worker 0 waits for 127.0.0.1:")
        assert said[1].startswith("2 workers of 1 device(s): --batch=4 is that of all together, 2 patches a device")
        assert said[2] == f"workdir: {work}"
        assert AGAIN in said[-1]
        assert said[3].startswith("training in float32 on ")
        assert all("supernet: " in line for line in said[4:-1])  # progress, where the machine is slow
        if disturb is ENDINGS["SIGTERM"][0]:  # as on one machine, no step is lost
            assert (work / "supernet" / "checkpoints" / f"ckpt-{lines(journal)[-1]['step']}.index").exists()

    (status, _, stderr), (status_of_other, _, said_by_other) = ends(start_all(*both))
    assert (status, status_of_other) == (0, 0), stderr + said_by_other
    assert "Traceback" not in stderr + said_by_other
    steps = [entry["step"] for entry in lines(journal)]
    assert steps == sorted(set(steps))
    found = load_supernet(work / "supernet" / "supernet.keras")
    np.testing.assert_array_equal(weights_of(found), undisturbed[0])


def _lines_of(journal: Path) -> int:
    return journal.read_bytes().count(b"\n") if journal.exists() else 0
