"""Where networks that are trained alone are kept."""

import dataclasses

from srnas_tf.data.sources import DataSettings
from srnas_tf.settings import setting
from srnas_tf.train.alone import InRungs
from srnas_tf.train.settings import TrainSettings

# Folders are named by settings that differ from these. If one changes, networks by the old one must not be taken for
# networks by the new one: rename the field, too.
USUAL = {
    "steps": 20000, "batch": 16, "patch": 48, "flat_patches": 0.0, "learning_rate": 2e-4, "optimizer": "adam",
    "weight_decay": 0.0, "loss": "l1", "frequency_loss": 0.0, "first_weights": "", "init": "scratch", "teacher": "",
    "teacher_weight": 0.5, "teacher_features": 0.0, "schedule": "step", "restarts": 0, "warmdown": 0.0,
    "halve_every": 200000, "warmup": 0, "ema": 0.0, "precision": "float32", "sampling": "uniform",
    "validate_every": 1000, "checkpoint_every": 1000, "keep": 3, "seed": 0, "data": "photos", "val_data": "",
    "test_data": "", "recursive": False, "degradation": "bicubic", "lr_data": "", "val_lr_data": "", "test_lr_data": "",
}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Later(TrainSettings):
    """The recipe of a later version, with one more setting."""

    novelty: float = setting(0.0, "something new")


def folder(recipe: TrainSettings, home, **data):
    return InRungs(None, recipe, DataSettings(**data), home).folder("TCC", 100)


def test_usual_settings_stay():
    usual = dataclasses.asdict(TrainSettings()) | dataclasses.asdict(DataSettings())
    assert USUAL.items() <= usual.items()


def test_a_later_setting_leaves_folders_as_they_are(tmp_path):
    assert folder(Later(ema=0.9), tmp_path) == folder(TrainSettings(ema=0.9), tmp_path)
    assert folder(Later(ema=0.9, novelty=0.1), tmp_path) != folder(TrainSettings(ema=0.9), tmp_path)


OTHER = [
    {"seed": 1}, {"batch": 32}, {"patch": "24,48@0.5"}, {"flat_patches": 0.05}, {"frequency_loss": 0.05},
    {"loss": "l2"}, {"loss": "l1,l2@0.9"}, {"optimizer": "muon"}, {"optimizer": "muon", "weight_decay": 0.1},
    {"precision": "auto"}, {"teacher": "teacher.keras"}, {"teacher": "teacher.keras", "teacher_features": 0.1},
]  # fmt: skip


def test_each_recipe_has_its_own_folder(tmp_path):
    recipes = [TrainSettings(), *(TrainSettings(**changed) for changed in OTHER)]
    folders = {folder(recipe, tmp_path) for recipe in recipes} | {folder(recipes[0], tmp_path, degradation="photo")}
    assert len(folders) == len(OTHER) + 2
