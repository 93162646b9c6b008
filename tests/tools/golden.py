"""Whether supernets of the thesis' spaces come to the same bits as before: first weights, trained weights, journals.

python tests/tools/golden.py --against=results/golden/2026-11-29.json

Trained weights depend on the processor, the number of its cores and TensorFlow: the file says which. What differs is
printed; the exit status is 1 then. `--record=FILE` writes the hashes of this tree instead. Five minutes on 2 cores.
"""

import argparse
import datetime
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT)]
DIGITS = 24
"""Of a hash that are kept."""
FRAME = {"depth": 3, "width": 16, "scale": 2}
FIRST = {
    "imdn": {"space": "imdn"},
    "initial": {"space": "initial"},
    "initial20": {"space": "initial20"},
    "dynamic3": {},
    "dynamic4": {"stages": 4},
    "dynamic3-ends": {"sharing": "ends"},
    "light": {"space": "light", "stages": 2},
    "tapped": {"space": "tapped", "stages": 2},
    "dynamic3-imdn-ending": {"ending": "imdn"},
    "dynamic3-k1.3": {"kernel": "1,3"},
}
"""Spaces whose drawn weights do not depend on the machine."""
TRAINED = {
    "dynamic uniform": ("--space=dynamic",),
    "initial reduced": ("--space=initial",),
    "initial ends": ("--space=initial", "--sharing=ends"),
    "dynamic two devices": ("--space=dynamic", "--cpu_devices=2"),
}
TRAINING = ("--steps=40", "--batch=4", "--patch=16", "--seed=5")
SEARCH = ("--population=8", "--iterations=3", "--max_params=40000", "--top_k=2")


def _digest(content: Iterable[bytes]) -> str:
    digest = hashlib.sha256()
    for part in content:
        digest.update(part)
    return digest.hexdigest()[:DIGITS]


def _weights(supernet) -> str:
    """Of the networks that take the same path in all blocks, which together hold everything."""
    from srnas_tf import nets
    from srnas_tf.nets.supernet import load_path

    arrays = []
    for path in range(len(supernet.space.positions[0])):
        network = nets.SRNet(supernet.space.network((path,) * FRAME["depth"]))
        load_path(network, supernet)
        arrays += [np.asarray(variable, np.float32).tobytes() for variable in network.trainable_variables]
    return _digest(arrays)


def hashes() -> dict[str, str]:
    """By what was hashed."""
    from srnas_tf import nets
    from srnas_tf.arch import Space
    from srnas_tf.nets.files import load_supernet
    from srnas_tf.nets.initial import initialize

    found = {}
    for name, fields in FIRST.items():
        supernet = nets.Supernet(Space(**{**FRAME, **fields}))
        initialize(supernet, 7)
        found[f"first {name}"] = _weights(supernet)
    network = [f"--{name}={value}" for name, value in FRAME.items()]
    for name, flags in TRAINED.items():
        with tempfile.TemporaryDirectory() as home:
            workdir = Path(home) / "work"
            for mode in (("supernet", *network, *TRAINING, *flags), ("search", *SEARCH)):
                line = [sys.executable, "-m", "srnas_tf.run", f"--mode={mode[0]}", f"--workdir={workdir}", *mode[1:]]
                subprocess.run(line, check=True, capture_output=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
            found[f"trained {name}"] = _weights(load_supernet(workdir / "supernet" / "supernet.keras"))
            found[f"journal {name}"] = _digest([(workdir / "search" / "journal.jsonl").read_bytes()])
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--record", type=Path, help="file for the hashes")
    parser.add_argument("--against", type=Path, help="file of earlier hashes")
    given = parser.parse_args()
    from srnas_tf.host.devices import import_tensorflow, processor

    import_tensorflow()
    found = hashes()
    if given.record:
        record = {"date": datetime.date.today().isoformat(), "processor": processor(), "hashes": found}
        given.record.parent.mkdir(parents=True, exist_ok=True)
        given.record.write_text(json.dumps(record, indent=1) + "\n", "utf-8")
    wanted = json.loads(given.against.read_text("utf-8"))["hashes"] if given.against else found
    different = sorted(name for name in wanted if found.get(name) != wanted[name])
    for name in different:
        print(f"{name}: {found.get(name)}, not {wanted[name]}")
    return bool(different)


if __name__ == "__main__":
    sys.exit(main())
