"""A search that trains networks alone, in rungs: all of them for a short time, the best for longer, and so on."""

import contextlib
from collections.abc import Callable, Sequence
from pathlib import Path

from srnas_tf.arch.space import Codes
from srnas_tf.executors import Executor, in_turn
from srnas_tf.host.progress import progress
from srnas_tf.search.feasible import Feasible
from srnas_tf.search.front import chosen, front
from srnas_tf.search.journal import Journal, facts_of
from srnas_tf.search.pool import Pool
from srnas_tf.search.settings import Pick, Rung, SearchSettings
from srnas_tf.search.spreading import best_of
from srnas_tf.search.strategies import STRATEGIES
from srnas_tf.seeding import generator
from srnas_tf.workdir.files import write_json

Train = Callable[[tuple[str, int]], float]
"""(a network's text, steps) -> its validation PSNR (dB) after so many steps alone."""
USUAL = Pick()


def search_alone(
    feasible: Feasible,
    settings: SearchSettings,
    rungs: Sequence[Rung],
    train: Train,
    folder: Path,
    pick: Pick = USUAL,
    run: Executor = in_turn,
    show: Callable[[list[dict]], None] = lambda measured: None,
) -> list[dict]:
    """Searches within a budget, and writes `journal.jsonl`, `front.json` and `best.json`.

    The strategy proposes the networks of the first rung, and learns from that rung alone. Each further rung takes the
    best of the one before. The journal has a line for each training, and is the search's whole state, as in `search`.

    Args:
        feasible: the networks within the budget.
        rungs: numbers of networks and of steps.
        train: trains a network.
        folder: folder for the three files.
        pick: rule that chooses the best networks.
        run: the executor. The journal does not depend on it.
        show: called with all measurements of the first rung after each of its iterations, and with each further rung at
            its end.

    Returns:
        The `settings.top_k` chosen networks, best first. If the last rung has fewer, those of earlier rungs follow.

    Raises:
        UserError: if the journal is of another search.
    """
    folder.mkdir(parents=True, exist_ok=True)
    journal = Journal(folder / "journal.jsonl", run)
    strategy = STRATEGIES[settings.strategy](settings, feasible)
    proposed: dict[Codes, dict] = {}
    total = sum(rung.networks * rung.steps for rung in rungs)
    spent = 0

    with progress(f"search ({settings.strategy}), steps of trainings", total) as report:

        def train_all(many: Sequence[dict]) -> dict[Codes, float]:
            nonlocal spent
            psnrs: dict[Codes, float] = {}
            entries = journal.entries(many, "psnr", train, task=lambda facts: (facts["arch"], facts["steps"]))
            with contextlib.closing(entries):
                for facts, psnr in zip(many, entries, strict=True):
                    psnrs[tuple(facts["codes"])] = psnr
                    spent += facts["steps"]
                    report(spent, f"rung {facts['rung']}, best {max(psnrs.values()):.3f} dB")
            return psnrs

        psnrs: dict[Codes, float] = {}
        for iteration in range(settings.iterations):
            pool = Pool(feasible, set(proposed))
            rng = generator(settings.seed, f"search {settings.strategy}", iteration)
            fresh = {each.codes: facts_of(feasible, each, iteration) for each in strategy.ask(pool, rng)}
            proposed |= fresh
            psnrs |= train_all([{**facts, "rung": 1, "steps": rungs[0].steps} for facts in fresh.values()])
            strategy.tell(psnrs)
            show([{**proposed[codes], "psnr": psnr} for codes, psnr in psnrs.items()])
        ranked: list[list[dict]] = []
        for number, rung in enumerate(rungs, start=1):
            if number > 1:
                going_on = best_of(psnrs, rung.networks)
                psnrs = train_all([{**proposed[codes], "rung": number, "steps": rung.steps} for codes in going_on])
            ranked.append([{**proposed[c], "psnr": p, "rung": number, "steps": rung.steps} for c, p in psnrs.items()])
            if number > 1:
                show(ranked[-1])
    write_json(folder / "front.json", front(ranked[-1], settings.objective_names))
    top = _best(ranked, settings, pick)
    write_json(folder / "best.json", top)
    return top


def _best(ranked: Sequence[list[dict]], settings: SearchSettings, pick: Pick) -> list[dict]:
    """The chosen networks: those of the last rung, then those of earlier rungs by PSNR, each once."""
    top = chosen(ranked[-1], settings, pick)
    for entries in reversed(ranked[:-1]):
        known = {entry["arch"] for entry in top}
        top += sorted((entry for entry in entries if entry["arch"] not in known), key=lambda entry: -entry["psnr"])
    return top[: settings.top_k]
