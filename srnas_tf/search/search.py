"""The search: proposes networks, measures each, and keeps a journal from which it resumes."""

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
from srnas_tf.search.screening import Screening
from srnas_tf.search.settings import Pick, SearchSettings
from srnas_tf.search.strategies import STRATEGIES
from srnas_tf.seeding import generator
from srnas_tf.workdir.files import write_json

Measure = Callable[[Sequence[int]], float]
"""Codes -> validation PSNR, dB."""
USUAL = Pick()
TOGETHER = 8
"""Neighbours in the order of codes that one process should measure: they share features."""


def search(
    feasible: Feasible,
    settings: SearchSettings,
    evaluate: Measure,
    folder: Path,
    screen: Measure | None = None,
    pick: Pick = USUAL,
    run: Executor = in_turn,
    show: Callable[[list[dict]], None] = lambda measured: None,
) -> list[dict]:
    """Searches within a budget, and writes `journal.jsonl`, `front.json` and `best.json`.

    The journal is the search's whole state. A search that was killed proposes the same networks again, and takes their
    measurements from the journal.

    Args:
        feasible: the networks within the budget.
        evaluate: the measurement that decides.
        folder: folder for the three files.
        screen: a cheaper, rough measurement. If given, `evaluate` measures only networks that may be among the best.
        pick: rule that chooses the best networks.
        run: the executor. The journal does not depend on it.
        show: called after each iteration with all measurements so far, including those of an earlier process.

    Returns:
        The `settings.top_k` chosen networks, best first: `arch`, `codes`, `psnr`, costs, `iteration`, `origin`.

    Raises:
        UserError: if the journal is of another search.
    """
    folder.mkdir(parents=True, exist_ok=True)
    journal = Journal(folder / "journal.jsonl", run)
    strategy = STRATEGIES[settings.strategy](settings, feasible)
    proposed: dict[Codes, dict] = {}
    rough: dict[Codes, float] = {}
    exact: dict[Codes, float] = {}
    screening = Screening(settings.parents, rough, exact)

    def settled() -> dict[Codes, float]:
        """The measurements in the order of proposal."""
        return {codes: exact[codes] for codes in proposed if codes in exact}

    def measured() -> list[dict]:
        return [{**proposed[codes], "psnr": psnr} for codes, psnr in settled().items()]

    total = settings.population * settings.iterations
    with progress(f"search ({settings.strategy})", total, journal.networks) as report:
        for iteration in range(settings.iterations):
            pool = Pool(feasible, set(proposed))
            rng = generator(settings.seed, f"search {settings.strategy}", iteration)
            # In the order of codes, because neighbours share features.
            fresh = {each.codes: facts_of(feasible, each, iteration) for each in sorted(strategy.ask(pool, rng))}
            measure, kind, found = (screen, "screened", rough) if screen else (evaluate, "psnr", exact)
            entries = journal.entries(list(fresh.values()), kind, measure, TOGETHER)
            for codes, value in zip(fresh, entries, strict=True):
                proposed[codes], found[codes] = fresh[codes], value
                report(len(proposed), f"best {max(exact.values()):.3f} dB" if exact else "")
            # Networks are measured one after the other, until none of the others can be among the best. An executor
            # with several processes works ahead, and may measure too many.
            rivals = [proposed[codes] for codes in screening.promising()]
            with contextlib.closing(journal.entries(rivals, "psnr", evaluate)) as entries:
                while rival := screening.next():
                    exact[rival] = next(entries)
            strategy.tell(settled())
            show(measured())
    write_json(folder / "front.json", front(measured(), settings.objective_names))
    top = chosen(measured(), settings, pick)
    write_json(folder / "best.json", top)
    return top
