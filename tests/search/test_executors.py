"""Executors: in this process, and on a Ray cluster of two nodes; a search's journal is the same on both."""

import functools
import os
import pickle
import shutil
import subprocess
import sys
import time

import numpy as np
import pytest
from conftest import ROOT, lines
from spaces import wide

from srnas_tf.arch import Space
from srnas_tf.errors import UserError, WorkError
from srnas_tf.executors import Loaded, executor_of, in_turn
from srnas_tf.host import devices
from srnas_tf.search.feasible import Feasible
from srnas_tf.search.search import search
from srnas_tf.search.settings import SearchSettings

ALL = Feasible(Space(depth=4, width=16), {})
SEVERAL = Feasible(wide(), {"params": 9000})
"""Networks of several trunks."""
SETTINGS = SearchSettings(population=12, iterations=3, top_k=2)


def quality(codes) -> float:
    return 30 - sum(codes) / 7 - 0.3 * np.random.default_rng(list(codes)).random()


def rough(codes) -> float:
    return quality(codes) - 0.015 + 0.005 * np.random.default_rng([7, *codes]).random()


def late(measure, codes, pause=0.02) -> float:
    """As if some networks took longer: results overtake each other."""
    time.sleep(pause * np.random.default_rng([1, *codes]).random())
    return measure(codes)


def test_one_process_works_only_when_asked():
    done = []
    results = in_turn(lambda task: done.append(task) or -task, [1, 2, 3])
    assert (next(results), done) == (-1, [1])
    assert list(results) == [-2, -3]


def make(numbers):
    return lambda task: (task, sum(numbers), os.getpid())


def test_what_is_loaded_does_not_travel():
    work = Loaded(functools.partial(make, (1, 2)))
    assert work(0) == (0, 3, os.getpid())
    there = pickle.loads(pickle.dumps(work))
    assert there._made is None
    assert there(5) == work(5)


def test_actors_get_the_settings_of_tensorflow():
    ray_process = pytest.importorskip("srnas_tf.executors.ray_process")
    assert devices.SETTINGS.keys() < set(ray_process._ENVIRONMENT)


def test_a_search_without_ray_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "srnas_tf.executors.on_ray", None)
    with pytest.raises(UserError, match=r"pip install 'srnas_tf\[ray\]'"):
        executor_of("ray", "", 0, 60)


@pytest.fixture(scope="module")
def cluster():
    """Two nodes on this machine, with room for some actors each."""
    pytest.importorskip("ray", reason="the extra ray is not installed")
    from ray.cluster_utils import Cluster

    paths = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = f"{ROOT}:{ROOT / 'tests'}:{ROOT / 'tests' / 'search'}"
    nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": 4, "include_dashboard": False})
    nodes.add_node(num_cpus=4)
    yield nodes
    nodes.shutdown()
    if paths is None:
        del os.environ["PYTHONPATH"]
    else:
        os.environ["PYTHONPATH"] = paths


@pytest.fixture(scope="module")
def on_ray(cluster):
    executor = executor_of("ray", cluster.address, 0, 120)
    yield executor
    executor.close()


def once(path, task) -> tuple[int, int]:
    """Ends its process where the file is there, and removes it first."""
    time.sleep(0.01)
    if task == 20:
        try:
            path.unlink()
        except FileNotFoundError:
            pass
        else:
            os._exit(1)
    return task * task, os.getpid()


def test_results_come_in_order_and_a_death_costs_a_retry(on_ray, tmp_path):
    (tmp_path / "mortal").touch()
    results = list(on_ray(functools.partial(once, tmp_path / "mortal"), range(60), together=4))
    assert [square for square, _ in results] == [task * task for task in range(60)]
    assert len({process for _, process in results}) > 1
    assert not (tmp_path / "mortal").exists()


def refuse(task):
    raise UserError(f"--data={task}: no such folder")


def test_a_mistake_on_the_way_is_told_as_it_is(on_ray):
    with pytest.raises(UserError, match="--data=1: no such folder"):
        list(on_ray(refuse, [1]))
    for do, results in ((abs, [1, 2]), (bool, [True, True]), (abs, [1, 2]), (str, ["-1", "-2"])):
        assert list(on_ray(do, [-1, -2])) == results


def test_what_kills_each_actor_is_given_up(on_ray):
    with pytest.raises(WorkError, match="3 actors died of 9"):
        list(on_ray(os._exit, [9]))
    assert list(on_ray(abs, range(-9, 0))) == list(range(9, 0, -1))


@pytest.mark.parametrize(("everything", "screen"), [(ALL, None), (ALL, rough), (SEVERAL, None)])
def test_the_journal_is_the_local_one(on_ray, tmp_path, everything, screen):
    best = search(everything, SETTINGS, quality, tmp_path / "local", screen)
    away = functools.partial(late, screen) if screen else None
    assert search(everything, SETTINGS, functools.partial(late, quality), tmp_path / "ray", away, run=on_ray) == best
    journal = (tmp_path / "local" / "journal.jsonl").read_bytes()
    assert (tmp_path / "ray" / "journal.jsonl").read_bytes() == journal
    (tmp_path / "half").mkdir()
    (tmp_path / "half" / "journal.jsonl").write_bytes(b"".join(journal.splitlines(keepends=True)[:17]))
    search(everything, SETTINGS, quality, tmp_path / "half", screen, run=on_ray)
    assert (tmp_path / "half" / "journal.jsonl").read_bytes() == journal


def test_supernets_are_measured_and_networks_trained_alike(on_ray, invoke, photographs, tmp_path, monkeypatch):
    from srnas_tf.modes import rank
    from srnas_tf.modes import search as searching

    network = ("--depth=2", "--width=8", "--scale=2", "--stages=2")
    here = tmp_path / "local"
    training = ("--steps=2", "--batch=2", "--patch=8")
    assert invoke("--mode=supernet", f"--workdir={here}", f"--data={photographs}", *network, *training)[0] == 0
    shutil.copytree(here, tmp_path / "ray")
    flags = ("--population=6", "--iterations=2", "--top_k=2")
    ranking = ("--mode=rank", "--rank_networks=3", "--rank_steps=1", "--rank_spread=size")
    assert invoke("--mode=search", f"--workdir={here}", *flags)[0] == 0
    assert invoke(*ranking, f"--workdir={here}")[0] == 0
    asked = []
    for mode in (searching, rank):
        # Its actors are there already.
        monkeypatch.setattr(mode, "executor_of", lambda *settings: asked.append(settings) or on_ray)
    away = ("--executor=ray", "--ray_address=host:1", "--patience=100")
    status, stdout, stderr = invoke("--mode=search", f"--workdir={tmp_path / 'ray'}", *flags, *away)
    assert (status, stdout) == (0, ""), stderr
    for name in ("journal.jsonl", "best.json", "front.json"):
        assert (tmp_path / "ray" / "search" / name).read_bytes() == (here / "search" / name).read_bytes()
    status, _, stderr = invoke(*ranking, f"--workdir={tmp_path / 'ray'}", *away)
    assert status == 0, stderr
    assert asked == 2 * [("ray", "host:1", 0, 100.0)]
    assert (tmp_path / "ray" / "rank.json").read_bytes() == (here / "rank.json").read_bytes()


def test_a_wrong_address_is_one_line():
    pytest.importorskip("ray", reason="the extra ray is not installed")
    with pytest.raises(UserError, match=r"--ray_address=127\.0\.0\.1:9: no cluster there"):
        executor_of("ray", "127.0.0.1:9", 0, 10)


DRIVER = """
import functools, sys
from pathlib import Path
from test_executors import ALL, SETTINGS, late, quality
from srnas_tf.errors import WorkError
from srnas_tf.executors import executor_of
from srnas_tf.search.search import search
if __name__ == "__main__":
    try:
        run = executor_of("ray", sys.argv[2], 0, 120)
        # So slow that it cannot come to its end before that of the cluster.
        search(ALL, SETTINGS, functools.partial(late, quality, pause=3.0), Path(sys.argv[1]), run=run)
    except WorkError as error:
        sys.exit(str(error))
"""


def test_a_dead_cluster_leaves_a_journal_to_go_on_from(on_ray, cluster, tmp_path):
    on_ray.close()
    (tmp_path / "driver.py").write_text(DRIVER)
    line = [sys.executable, str(tmp_path / "driver.py"), str(tmp_path / "ray"), cluster.address]
    process = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    journal = tmp_path / "ray" / "journal.jsonl"
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and not (journal.exists() and journal.read_bytes().count(b"\n") > 5):
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    cluster.shutdown()
    stdout, stderr = process.communicate(timeout=120)
    assert (process.returncode, stdout) == (1, "")
    message = stderr.splitlines()[-1]  # after lines of progress, where the machine is slow
    assert "Traceback" not in stderr
    assert "--executor=ray" in message
    assert "--executor=local" in message
    assert len(lines(journal)) < 36
    best = search(ALL, SETTINGS, quality, tmp_path / "local")
    assert search(ALL, SETTINGS, quality, tmp_path / "ray") == best
    assert journal.read_bytes() == (tmp_path / "local" / "journal.jsonl").read_bytes()
