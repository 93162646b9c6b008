"""What recipes are worth: python -m benchmarks.recipes --data=DIV2K --set14=DIR --home=DIR [--only=NAME,...]

One small network x4 is trained by the recipes of flags/recipe_*.flags, which differ in one thing each or in two. It is
measured on validation photographs and on Set14, which chose nothing. Trainings lie in `--home` and go on where they
were stopped; those that are finished are not done again. `--results` holds the figures, `--table` writes them into
docs/training.md.
"""

import datetime
import json
import statistics
from pathlib import Path

from absl import app, flags

from benchmarks import contenders
from benchmarks.contenders import PLAIN, VALIDATED, folder_of
from benchmarks.workdirs import ROOT, flagfile, link_photographs, run
from srnas_tf.host import devices
from srnas_tf.workdir.files import write_json

ARCH = "x4:w48:expanded:bare:r0.25:x3:f1:TCC-TCC-TCC"
"""The first network of `operators`: 46380 parameters."""
RECIPES: dict[str, tuple[str, ...]] = {
    "plain": (),
    "Muon": ("muon",),
    "AdamW": ("adamw",),
    "frequency loss": ("frequency",),
    "Charbonnier": ("charbonnier",),
    "L2": ("squared",),
    "L2 at the end": ("l2",),
    "slow average": ("ema",),
    "restarts": ("restarts",),
    "warm-down": ("warmdown",),
    "patches that grow": ("patches",),
    "batches that grow": ("batches",),
    "bfloat16": ("bfloat16",),
    "teacher": ("teacher",),
    "teacher, with features": ("features",),
    "Muon and frequency loss": ("muon", "frequency"),
}
"""Files recipe_*.flags, by the names that the table gives them; the first is what the others are compared with."""
TAUGHT = {"teacher", "features"}
DOCUMENT = ROOT / "docs" / "training.md"
BEGIN = "<!-- made by benchmarks/recipes.py -->\n\n"

DATA = flags.DEFINE_string("data", None, "DIV2K, or its like: a folder with train and valid")
SET14 = flags.DEFINE_string("set14", None, "Set14: a folder of images")
HOME = flags.DEFINE_string("home", "runs/recipes", "folder for the trainings")
TEACHER = flags.DEFINE_string("teacher", "", "a model.keras to learn from; recipes with a teacher are left out without")
ONLY = flags.DEFINE_list("only", [], "names in the table, with commas between; all unless given")
STEPS = flags.DEFINE_list("steps", ["3000"], "lengths of the trainings")
SEEDS = flags.DEFINE_list("seeds", ["0"], "seeds of the trainings")
RESULTS = flags.DEFINE_string("results", str(ROOT / "results" / "recipes" / "recipes.json"), "file for the figures")
TABLE = flags.DEFINE_bool("table", False, "write the table of --results into docs/training.md")


def main(argv: list[str]) -> None:
    devices.import_tensorflow()
    path, home = Path(RESULTS.value), Path(HOME.value).absolute()
    names = [name for name in RECIPES if not ONLY.value or name in ONLY.value]
    names = [name for name in names if TEACHER.value or not TAUGHT & set(RECIPES[name])]
    if DATA.value:
        link_photographs(home / "photographs", Path(DATA.value), {"train": slice(None), "valid": slice(VALIDATED)})
        link_photographs(home / "others", Path(DATA.value), {"valid": slice(VALIDATED, None)})
        for name, steps, seed in contenders.trainings(names, STEPS.value, SEEDS.value):
            _train(name, steps, seed, home)
            write_json(path, collected(home, contenders.read(path)))
    if TABLE.value:
        contenders.write_table(DOCUMENT, BEGIN, table(contenders.read(path)))


def _arguments(name: str, steps: int, seed: int, home: Path) -> list[str]:
    common = [f"--{key}={value}" for key, value in PLAIN.items()]
    taught = [f"--teacher={TEACHER.value}"] if TAUGHT & set(RECIPES[name]) else []
    own = [flagfile(f"recipe_{file}") for file in RECIPES[name]]
    data = f"--data={home / 'photographs'}"
    return [f"--arch={ARCH}", *common, *own, *taught, f"--steps={steps}", f"--seed={seed}", data]


def _train(name: str, steps: int, seed: int, home: Path) -> None:
    """Trains the network by a recipe, and measures it on images that chose nothing."""
    workdir = folder_of(home, name, steps, seed)
    if not (workdir / "train" / "model.keras").exists():
        run("train", workdir, *_arguments(name, steps, seed, home), "--validate_every=500", "--checkpoint_every=500")
    if not (workdir / "evaluate.json").exists():
        sets = f"--data={SET14.value},{home / 'others' / 'valid'}"
        run("evaluate", workdir, f"--model={workdir / 'train' / 'model.keras'}", sets)


def collected(home: Path, results: dict) -> dict:
    """The figures with those of all trainings in the folder that are finished."""
    from srnas_tf.modes.evaluate import machine

    recipes = results.setdefault("recipes", {})
    for name, files in RECIPES.items():
        own = recipes.setdefault(name, {"psnr": {}, "curves": {}, "test": {}})
        own["flagfiles"] = [f"recipe_{file}.flags" for file in files]
        for steps, seed, folder in contenders.finished(home, name, "train"):
            contenders.keep(own, steps, seed, folder)
            if (folder.parent / "evaluate.json").exists():
                own["test"].setdefault(steps, {})[seed] = _tested(folder.parent / "evaluate.json")
    date = datetime.date.today().isoformat()
    return {**results, "arch": ARCH, "machine": machine(), "date": date, "recipe": PLAIN}


def _tested(path: Path) -> dict[str, dict[str, float]]:
    """PSNR (dB) and SSIM by set: Set14, and DIV2K's validation images that chose nothing."""
    sets = json.loads(path.read_text("utf-8")).values()
    names = ("set14", "div2k")
    return {
        name: {"psnr": round(own["psnr"], 4), "ssim": round(own["ssim"], 5)}
        for name, own in zip(names, sets, strict=True)
    }


def table(results: dict) -> str:
    """The figures as Markdown: differences in dB to the first recipe, by seeds that both have."""
    recipes = {name: results["recipes"][name] for name in RECIPES if name in results["recipes"]}
    [first, *_] = recipes.values()
    lengths = contenders.lengths_of(recipes)
    heads = ["recipe", "files"]
    for steps in lengths:
        heads += [f"dB, {steps} steps", "to plain", "seeds", "Set14, dB", "SSIM"]
    rows = [heads]
    for name, own in recipes.items():
        row = [name, ", ".join(f"`{file}`" for file in own["flagfiles"])]
        for steps in lengths:
            row += contenders.differences(own["psnr"].get(steps, {}), first["psnr"].get(steps, {}))
            tested = [sets["set14"] for sets in own["test"].get(steps, {}).values()]
            row += [_mean(tested, "psnr", 3), _mean(tested, "ssim", 4)]
        if any(own["psnr"].values()):
            rows.append(row)
    return contenders.as_markdown(rows)


def _mean(tested: list[dict[str, float]], measure: str, digits: int) -> str:
    return f"{statistics.mean(each[measure] for each in tested):.{digits}f}" if tested else ""


if __name__ == "__main__":
    app.run(main)
