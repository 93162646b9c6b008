"""The search: proposes, evaluates each architecture once, and keeps a journal from which it goes on."""

import heapq
from collections.abc import Callable, Sequence
from pathlib import Path

from srnas_tf.arch import Space
from srnas_tf.arch.space import Codes
from srnas_tf.errors import UserError
from srnas_tf.journal import append_line, read_lines
from srnas_tf.progress import progress
from srnas_tf.search.settings import Budget, SearchSettings
from srnas_tf.search.strategies import STRATEGIES, Pool, Proposal
from srnas_tf.seeding import generator
from srnas_tf.settings import write_json


def search(
    space: Space,
    settings: SearchSettings,
    budget: Budget,
    evaluate: Callable[[Sequence[int]], float],
    folder: Path,
) -> list[dict]:
    """Searches a space, and writes `journal.jsonl` and `best.json`.

    The journal is the search's whole state: a search that was killed proposes the same architectures again and takes
    from the journal what it evaluated before.

    Args:
        evaluate: validation PSNR (dB) of the network of some codes.
        folder: for the two files.

    Returns:
        The best `settings.top_k`, best first: `arch`, `codes`, `psnr`, `params`, `macs`.

    Raises:
        UserError: where no network can meet the budget, or the journal is of another search.
    """
    budget.check(space)
    folder.mkdir(parents=True, exist_ok=True)
    journal = folder / "journal.jsonl"
    replayed = read_lines(journal)
    entries: list[dict] = []
    scored: dict[Codes, float] = {}
    total = settings.population * settings.iterations
    with progress(f"search ({settings.strategy})", total, len(replayed)) as report:
        for iteration in range(settings.iterations):
            best = [tuple(entry["codes"]) for entry in _best(entries, settings.parents)]
            asked = Proposal(settings.population, settings.mutation, best)
            pool = Pool(space, budget.allows, set(scored))
            rng = generator(settings.seed, f"search {settings.strategy}", iteration)
            # In order of codes: networks that begin alike are cheaper one after the other.
            for codes, origin in sorted(STRATEGIES[settings.strategy](asked, pool, rng)):
                if len(entries) < len(replayed):
                    entry = replayed[len(entries)]
                    if tuple(entry["codes"]) != codes:
                        raise UserError(f"{journal}: line {len(entries) + 1} is of another search; remove the file")
                else:
                    entry = _entry(space, codes, origin, iteration, evaluate(codes))
                    append_line(journal, entry)
                entries.append(entry)
                scored[codes] = entry["psnr"]
                report(len(entries), f"best {max(scored.values()):.3f} dB")
    top = _best(entries, settings.top_k)
    write_json(folder / "best.json", top)
    return top


def _entry(space: Space, codes: Codes, origin: str, iteration: int, psnr: float) -> dict:
    network = space.network(codes)
    return {
        "arch": str(network),
        "codes": list(codes),
        "psnr": psnr,
        "params": network.params,
        "macs": network.macs(),
        "iteration": iteration,
        "origin": origin,
    }


def _best(entries: list[dict], count: int) -> list[dict]:
    """By PSNR; of equal ones, the first evaluated."""
    return heapq.nlargest(count, entries, key=lambda entry: entry["psnr"])
