"""absl flags from settings: a field of a settings dataclass is a flag."""

import dataclasses
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from absl import flags

from srnas_tf import models
from srnas_tf.arch import NETS, Architecture, Space
from srnas_tf.errors import UserError
from srnas_tf.settings import Course, Values
from srnas_tf.workdir.folder import Workdir

S = TypeVar("S")
FLAGS = flags.FLAGS
FLAGFILES = Path(__file__).with_name("flagfiles")
"""The package's copy of `flags/`."""

_DEFINERS = {bool: flags.DEFINE_bool, int: flags.DEFINE_integer, float: flags.DEFINE_float, str: flags.DEFINE_string}


def define(*kinds: type) -> None:
    """Defines a flag for each field; fields of one name in several settings are one flag."""
    for kind in kinds:
        for field in dataclasses.fields(kind):
            if field.name in FLAGS:
                continue
            choices = field.metadata["choices"]
            if field.metadata["several"] or field.metadata["course"]:
                flags.DEFINE(_TextParser(field), field.name, str(field.default), field.metadata["help"])
            elif choices and isinstance(field.default, str):
                flags.DEFINE_enum(field.name, field.default, choices, field.metadata["help"])
            else:
                _DEFINERS[type(field.default)](field.name, field.default, field.metadata["help"])


class _TextParser(flags.ArgumentParser):
    """Reads the values of a field that may be a choice, or may change over a training."""

    def __init__(self, field: dataclasses.Field) -> None:
        self.enum_values = field.metadata["choices"]
        self._read: Callable[[Any], Any]
        if several := field.metadata["several"]:
            self.syntactic_help = "several values, with / between them, are a choice of the search"
            self._read = lambda text: Values.of(field.name, text, several)
        else:
            self.syntactic_help = "A,B@0.7: A, and B once 0.7 of the steps are done"
            self._read = lambda text: Course.of(field.name, text, field.metadata["course"]).plain

    def parse(self, argument: Any) -> Any:
        try:
            return self._read(argument)
        except UserError as error:  # absl says which flag it is
            raise ValueError(str(error).partition(": ")[2]) from None

    def flag_type(self) -> str:
        return "values"


def with_flagfiles(arguments: Sequence[str]) -> list[str]:
    """Arguments in which `--flagfile=flags/NAME.flags` means the package's file if the current folder has none."""
    own = {f"flags/{path.name}": path for path in FLAGFILES.glob("*.flags")}
    found = []
    for before, argument in zip(("", *arguments), arguments, strict=False):
        apart = before in ("--flagfile", "-flagfile")
        flag, equals, name = ("", "", argument) if apart else argument.partition("=")
        wanted = apart or flag in ("--flagfile", "-flagfile")
        found.append(f"{flag}{equals}{own[name]}" if wanted and name in own and not Path(name).exists() else argument)
    return found


def given(kind: type) -> dict[str, Any]:
    """The fields that the command line or a flagfile names."""
    return {f.name: FLAGS[f.name].value for f in dataclasses.fields(kind) if FLAGS[f.name].present}


def from_flags(kind: type[S]) -> S:
    """Settings from flags alone."""
    return kind(**given(kind))


def settle(
    workdir: Workdir, section: str, kind: type[S], overrides: Mapping[str, Any] = {}, defaults: Mapping[str, Any] = {}
) -> S:
    """Settings from the workdir's record if it has them, else from flags. A contradiction is refused.

    Args:
        overrides: fields that another flag decides, which then count as given.
        defaults: values of fields that differ from the dataclass' own.
    """
    return workdir.settle(section, kind, given(kind) | dict(overrides), dict(defaults))


def recorded(workdir: Workdir, section: str, kind: type[S], wanted: str, obey: bool = True) -> S:
    """Settings that an earlier mode must have recorded.

    Args:
        wanted: the mode that records them.
        obey: whether the flags speak of these settings, and must not contradict them.

    Raises:
        UserError: if nothing is recorded; it says that `wanted` comes first.
    """
    if not workdir.holds(section):
        raise UserError(f"--workdir={workdir.path}: holds no {section} settings; run {wanted} there first")
    return settle(workdir, section, kind) if obey else workdir.settle(section, kind, {}, {})


def chosen_network(space: Space) -> Architecture | None:
    """The network that `--net` names, or `--arch` in a space; None if neither flag is given.

    Raises:
        UserError: if there is none, or other flags contradict it.
    """
    if FLAGS.net is not None:
        said = given(Space) | {"scale": space.scale}
        others = sorted(said.keys() - {"scale", "width"} | ({"arch"} if FLAGS.arch is not None else set()))
        if others:
            raise UserError(f"--{others[0]}: --net={FLAGS.net} is one network whatever it says; drop one of the two")
        return NETS[FLAGS.net](**{name: _one(name, value) for name, value in said.items()})
    if FLAGS.arch is None:
        return None
    network = space.parse(FLAGS.arch)
    check_agrees(network)
    return network


def _one(name: str, value: Any) -> Any:
    """The value of a flag that is no choice here."""
    if isinstance(value, Values):
        if len(value) > 1:
            raise UserError(f"--{name}={value}: --net={FLAGS.net} is one network; give one value")
        return value[0]
    return value


def check_agrees(network: Architecture) -> None:
    """Refuses flags that contradict a network that is described otherwise."""
    for name, value in network.hyperparameters.items():
        if FLAGS[name].present and str(FLAGS[name].value) != str(value):
            raise UserError(f"--{name}={FLAGS[name].value} contradicts the network, whose {name} is {value}; drop one")


def take_arguments(names: Sequence[str], arguments: Sequence[str]) -> None:
    """Gives arguments to the flags that they may stand for, one each.

    Raises:
        UserError: if there are too many, a flag is given twice, or an --output exists: a shell's `*.jpg` names files.
    """
    for name, argument in zip(names, arguments, strict=False):
        if FLAGS[name].present:
            raise UserError(f"{argument}: --{name}={FLAGS[name].value} is given, too; drop one of the two")
        if name == "output" and Path(argument).expanduser().is_file():
            raise UserError(f"{argument}: exists; remove it, give --output={argument}, or name another file")
        FLAGS[name].parse(argument)
    if len(arguments) > len(names):
        many = "; for several images name their folder" if "input" in names else ""
        raise UserError(f"{arguments[len(names)]}: unexpected argument; flags have the form --name=value{many}")


def path(name: str, packaged: Callable[[str], Path] = models.named) -> Path | None:
    """A path that a flag may name; `--model` may name a network in the package.

    Args:
        name: name of the flag.
        packaged: maps the name of a network in the package to the wanted one of its files.
    """
    given = FLAGS[name].value
    if name == "model" and given in models.names() and not Path(given).exists():
        return packaged(given)
    return Path(given).expanduser() if given else None


def existing_path(name: str) -> Path | None:
    """A path that a flag may name, as in `path`. It must exist.

    Raises:
        UserError: if the path does not exist.
    """
    found = path(name)
    if found and not found.exists():
        what = f"model; give a file, or one of {', '.join(models.names())}" if name == "model" else "file or folder"
        raise UserError(f"--{name}={found}: no such {what}")
    return found


def required_path(name: str, packaged: Callable[[str], Path] = models.named) -> Path:
    """A path that a mode needs, as in `path`.

    Raises:
        UserError: if its flag is missing.
    """
    found = path(name, packaged)
    if not found:
        raise UserError(f"--mode={FLAGS.mode} needs --{name}")
    return found


def in_order(names: Collection[str]) -> list[str]:
    """Flags in the order in which they were defined."""
    return [name for name in FLAGS if name in names]


def help_line(name: str) -> str:
    """The text of a flag in `--help`: its meaning, its possible values, and its default."""
    flag = FLAGS[name]
    allowed = getattr(flag.parser, "enum_values", None)
    choices = f" ({', '.join(str(value) for value in allowed if value)})" if allowed else ""
    default = f" [{flag.default}]" if str(flag.default) not in ("None", "", "False") else ""
    about = re.sub(r"^<[^>]*>: ", "", flag.help)  # absl's list of choices
    return f"  --{name}: {about}{choices}{default}"


def names(*kinds: type) -> list[str]:
    """The flags of settings."""
    return [field.name for kind in kinds for field in dataclasses.fields(kind)]
