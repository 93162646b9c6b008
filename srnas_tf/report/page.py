"""Writes `report.html`: one page with everything that a workdir holds, which needs no other file."""

import base64
import datetime
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jinja2
from markupsafe import Markup

from srnas_tf import __version__
from srnas_tf.errors import UserError
from srnas_tf.report import exported, figures, searched, sections, written
from srnas_tf.report.holdings import Holdings, UnreadableError
from srnas_tf.workdir.files import write_text

NAME = "report.html"
FOLDER = Path(__file__).with_name("page")
"""Folder of the templates: one for the page, and one for each section."""


class Section(NamedTuple):
    """A part of the page.

    Attributes:
        name: the name of its template in `page/`, and its anchor on the page.
        title: its heading.
        build: reads the values that the template shows; returns None if the workdir has none of them.
        missing: text that is shown in that case.
        mode: the mode that writes the missing files.
    """

    name: str
    title: str
    build: Callable[[Holdings], dict | None]
    missing: str
    mode: str


SECTIONS = (
    Section("asked", "The task", sections.asked, "No settings are recorded here", "pipeline"),
    Section("answer", "The network", sections.answer, "No network has been found or trained here yet", "pipeline"),
    Section("pictures", "Side by side", sections.pictures, "No pictures have been compared here", "pipeline"),
    Section("compared", "Measured", sections.compared, "Nothing has been measured here yet", "evaluate"),
    Section("search", "The search", searched.search, "Nothing has been searched here", "search"),
    Section("ranking", "Can the supernet be trusted?", figures.ranking, "Its ranking has not been checked", "rank"),
    Section("training", "Training", figures.training, "Nothing has been trained here", "supernet"),
    Section("files", "Exported files", exported.files, "Nothing has been exported yet", "export"),
    Section("benchmark", "Latency", figures.benchmark, "This run measured no latency", "benchmark"),
    Section("made", "Commands and settings", sections.made, "No command is recorded here", "pipeline"),
)

_WRONG = (
    UserError,
    AttributeError,
    IndexError,
    KeyError,
    TypeError,
    ValueError,
    ArithmeticError,
    jinja2.UndefinedError,
)
"""Errors that a file causes if its content differs from what this version writes."""


def write(workdir: Path) -> Path:
    """Writes the page into a workdir; returns its path.

    Raises:
        UserError: if the workdir holds nothing that could be shown.
        WorkError: if the page cannot be written.
    """
    path = workdir / NAME
    write_text(path, render(workdir))
    return path


def render(workdir: Path) -> str:
    """Renders the page of a workdir as HTML.

    Raises:
        UserError: if the workdir holds nothing that could be shown.
    """
    holdings, environment = Holdings(workdir), _environment()
    parts = [_part(section, holdings, environment) for section in SECTIONS]
    if not any(part["body"] or part["wrong"] for part in parts):
        raise UserError(f"--workdir={workdir}: holds nothing to report; give the folder of an experiment")
    try:
        headline, found = sections.headline(holdings), sections.answer_of(holdings)
    except _WRONG:  # the section that reads the same file shows the error
        headline, found = [], None
    style, script = ((FOLDER / name).read_text("utf-8") for name in ("page.css", "page.js"))
    return (
        _environment()
        .get_template("page.html")
        .render(
            name=workdir.resolve().name,
            workdir=workdir,
            headline=headline,
            network=found.network if found else None,
            parts=parts,
            date=datetime.datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z"),
            version=__version__,
            style=Markup(style),
            script=Markup(script),
            policy=f"default-src 'none'; img-src data:; style-src {_hash(style)}; script-src {_hash(script)}; "
            "base-uri 'none'; form-action 'none'",
        )
    )


def _part(section: Section, holdings: Holdings, environment: jinja2.Environment) -> dict[str, Any]:
    """Renders a section for the page's template: its body, or what is wrong with the files that it reads."""
    part = {**section._asdict(), "body": "", "wrong": ""}
    try:
        if content := section.build(holdings):
            part["body"] = Markup(environment.get_template(f"{section.name}.html").render(content=content))
    except UnreadableError as error:
        part["wrong"] = f"{error}."
    except _WRONG as error:
        part["wrong"] = f"A file was written by another version, or is damaged ({type(error).__name__}: {error})."
    return part


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters = (written.si, written.quality, written.shown, written.signed)
    environment.filters |= {each.__name__: each for each in filters}
    return environment


def _hash(text: str) -> str:
    """The hash of a style or script, as a content security policy names the only one that it allows."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
