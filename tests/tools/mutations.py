"""Seeds bugs in arch/, search/ and train/, one at a time, and sees whether the tests catch them.

python tests/tools/mutations.py --record=results/mutations/2026-11-23.json

Each bug is put into a copy of the tree, where a few tests are run that should fail; they have to pass in a copy without
it. Ten minutes on 2 cores. `--only=adam` does those whose file or new text holds that word.
"""

import argparse
import datetime
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]


class Bug(NamedTuple):
    """A bug to seed.

    Attributes:
        file: within srnas_tf/.
        old: what stands there once.
        new: what stands there instead.
        tests: a file of tests/ in its room, and which of its tests (pytest's -k).
    """

    file: str
    old: str
    new: str
    tests: tuple[str, str]


ARCH = ("arch/test_arch.py", "not reference")
SHARING = ("nets/test_sharing.py", "")
FEASIBLE = ("search/test_feasible.py", "not draws_are_uniform")
SEARCH = ("search/test_search.py", "not nsga and not climbs")
BUGS = [
    # Architectures
    Bug("arch/block.py", "kept = int(width * block.rate)", "kept = int(features * block.rate)", ARCH),
    Bug("arch/attention.py", "max(1, channels // CCA_REDUCTION)", "max(2, channels // CCA_REDUCTION)", ARCH),
    Bug("arch/block.py", "to_come - 1)", "to_come)", ARCH),
    Bug("arch/block.py", 'f"r{self.rate!r}"', 'f"r{self.rate:.2f}"', ARCH),
    Bug("arch/network.py", ".factor(self.scale) ** 2\n", ".factor(self.scale)\n", ARCH),
    Bug("arch/network.py", "*block.options_after(common)]", "*block.options_after(common)[:1]]", ARCH),
    Bug("arch/spaces.py", 'itertools.product("SC"', 'itertools.product("CS"', ARCH),
    Bug("arch/sharing.py", 'in ("first", "attention", "fusion")', 'in ("first", "fusion")', SHARING),
    Bug("arch/plan.py", "(convs + 1, 0) if step.trunk", "(convs, 0) if step.trunk", SHARING),
    Bug("nets/sharing.py", "kernel = 2 if len(whole) == 4 else 0", "kernel = 0", SHARING),
    Bug("arch/space.py", "return min((self._extreme", "return max((self._extreme", ARCH),
    Bug("arch/space.py", "if not 0 <= code < count:", "if not 0 <= code <= count:", ARCH),
    # Search
    Bug("search/feasible.py", " + sum(cost.min().item() for cost in costs)", "", FEASIBLE),
    Bug("search/feasible.py", ".of(paths) <= limit for", ".of(paths) < limit for", FEASIBLE),
    Bug(
        "search/feasible.py",
        "rng.random(count) < np.exp(self._weights @ np.minimum(over, 0))",
        "rng.random(count) < 2",
        ("search/test_feasible.py", "draws_are_uniform"),
    ),
    Bug("search/pool.py", "            self._seen.add(codes)\n", "", SEARCH),
    Bug("search/strategies.py", "(new if change else old", "(old if change else new", SEARCH),
    Bug("search/strategies.py", "rng.integers(2, size=pair.shape[1])", "rng.integers(1, size=pair.shape[1])", SEARCH),
    Bug(
        "search/strategies.py", "best_of(psnrs, self._settings.parents)", "best_of(psnrs, self._settings.top_k)", SEARCH
    ),
    Bug("search/screening.py", "max(added) + (max(added) - min(added))", "max(added)", SEARCH),
    Bug("search/front.py", "(values <= here)", "(values < here)", SEARCH),
    Bug("search/front.py", 'key=lambda entry: -entry["psnr"])[', 'key=lambda entry: entry["psnr"])[', SEARCH),
    Bug("search/journal.py", ' or any(line.get(name) != facts.get(name) for name in ("codes", "steps"))', "", SEARCH),
    Bug("search/journal.py", "left = many[len(known) :]", "left = many", SEARCH),
    Bug("search/agreement.py", "ddof=1", "ddof=0", ("search/test_rank.py", "repeats or correlations")),
    Bug("search/ranking.py", "BAND * middle", "2 * BAND * middle", ("search/test_rank.py", "function_of_the_seed")),
    # Training
    Bug(
        "train/adam.py",
        "used.rows, used.paths[0], *state",
        "used.rows, 0, *state",
        ("train/test_sampling.py", "move_as"),
    ),
    Bug(
        "train/adam.py",
        "tuple(tf.where(moves, *each) for each in zip(new, old, strict=True))",
        "new",
        ("train/test_train.py", "not_finite"),
    ),
    Bug("train/adam.py", "finite & used.numbers", "finite", ("train/test_sampling.py", "stays")),
    Bug("train/rules.py", "ops.square(x), axis=(-2, -1)", "ops.square(x)", ("train/test_recipes.py", "of_one_shape")),
    Bug("train/rules.py", "(BETA2, count)", "(BETA1, count)", ("train/test_train.py", "adam_is_adam")),
    Bug(
        "train/adam.py",
        "decay * old + (1 - decay) * new_w",
        "decay * old + (1 - decay) * w",
        ("train/test_train.py", "averages"),
    ),
    Bug(
        "train/trainable.py",
        "tf.scatter_nd(used.rows[:, None], values",
        "tf.scatter_nd(used.rows[::-1, None], values",
        ("train/test_sampling.py", "added_up"),
    ),
    Bug(
        "train/trainable.py",
        "self.gradients(wanted, lr, target, codes)",
        "self.gradients(wanted, lr, hr, codes)",
        ("train/test_sampling.py", "added_up"),
    ),
    Bug("train/loop.py", '{"optimizer": optimizer, "weights"', '{"weights"', ("train/test_train.py", "resumed")),
    Bug(
        "train/loop.py",
        "settings.rate_at(at)",
        "settings.rate_at(at + 1)",
        ("train/test_train.py", "resumed or gaps or rate"),
    ),
    Bug(
        "train/loop.py",
        "networks_at(at)",
        "networks_at(start)",
        ("train/test_train.py", "resumed or one_trace or path"),
    ),
    Bug(
        "train/sampling.py",
        'generator(seed, "path", step)),)',
        'generator(seed, "path")),)',
        ("train/test_sampling.py", "draw or function"),
    ),
    Bug(
        "train/sampling.py",
        "rng.permutation(count)",
        "rng.integers(count, size=count)",
        ("train/test_sampling.py", "fair"),
    ),
    Bug("train/schedule.py", "% steps) / steps", "% steps) / (steps + 50)", ("train/test_train.py", "schedules")),
    Bug(
        "train/checkpoints.py",
        "in reversed(self.paths)",
        "in self.paths",
        ("train/test_train.py", "resumed or checkpoint"),
    ),
    Bug("train/scoring.py", "tf.round(tf.clip_by_value(", "(tf.clip_by_value(", ("train/test_scoring.py", "")),
    Bug("train/scoring.py", "kept[prefix] = made", "kept[(*prefix[:-1], 0)] = made", ("train/test_scoring.py", "")),
    Bug("train/writer.py", 'line["step"] <= step]', 'line["step"] <= step + 1]', ("train/test_train.py", "resumed")),
]


def copy_of_the_tree(folder: Path) -> Path:
    left_out = shutil.ignore_patterns(
        ".*_cache", ".git", ".venv*", "__pycache__", "*.egg-info", "build", "dist", "runs"
    )
    return Path(shutil.copytree(ROOT, folder / "tree", symlinks=True, ignore=left_out))


def passes(tree: Path, tests: tuple[str, str]) -> bool:
    """Whether tests of a tree pass.

    Raises:
        RuntimeError: where there are none, or pytest says something else.
    """
    file, which = tests
    environment = {**os.environ, "PYTHONPATH": str(tree), "TF_CPP_MIN_LOG_LEVEL": "3"}
    environment.setdefault("SRNAS_SHARED", str(ROOT.parent / "shared"))
    line = [sys.executable, "-m", "pytest", "-x", "-q", f"tests/{file}", *(["-k", which] if which else [])]
    done = subprocess.run(line, cwd=tree, env=environment, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 1):
        raise RuntimeError(f"{' '.join(line[2:])}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.returncode == 0


def try_bug(bug: Bug) -> dict:
    """Seeds it, and says whether it was caught."""
    with tempfile.TemporaryDirectory() as home:
        tree = copy_of_the_tree(Path(home))
        path = tree / "srnas_tf" / bug.file
        text = path.read_text("utf-8")
        if text.count(bug.old) != 1:
            raise RuntimeError(f"{bug.file}: does not hold {bug.old!r} once; give the bug another place")
        path.write_text(text.replace(bug.old, bug.new), "utf-8")
        began = time.monotonic()
        caught = not passes(tree, bug.tests)
    return {**bug._asdict(), "caught": caught, "seconds": round(time.monotonic() - began, 1)}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="a word of the file or the new text")
    parser.add_argument("--trust", action="store_true", help="that the tests pass without any bug: they just did")
    parser.add_argument("--record", type=Path, help="file for what came of it")
    given = parser.parse_args()
    bugs = [bug for bug in BUGS if given.only in bug.file or given.only in bug.new]
    if not given.trust:
        with tempfile.TemporaryDirectory() as home:
            tree = copy_of_the_tree(Path(home))
            for tests in dict.fromkeys(bug.tests for bug in bugs):
                if not passes(tree, tests):
                    raise RuntimeError(f"{tests}: fail without any bug")
    results: list[dict] = []
    caught = 0
    for bug in bugs:
        results.append(try_bug(bug))
        caught += results[-1]["caught"]
        print(f"{'caught' if results[-1]['caught'] else 'NOT CAUGHT'}: {bug.file}: {bug.new.strip()!r}", flush=True)
        record = {"date": datetime.date.today().isoformat(), "bugs": len(results), "caught": caught, "results": results}
        if given.record:
            given.record.parent.mkdir(parents=True, exist_ok=True)
            given.record.write_text(json.dumps(record, indent=1) + "\n", "utf-8")
    print(f"{caught} of {len(results)} seeded bugs caught")
    return caught < len(results)


if __name__ == "__main__":
    sys.exit(main())
