"""Zip archives from anywhere: their sizes are looked at before memory is taken, and nothing in them is a path."""

import contextlib
import io
import zipfile
from collections.abc import Iterator
from pathlib import PurePosixPath

EXPANSION, ALLOWANCE = 2, 1 << 20
"""Members may be so many times as large as the archive, and so many bytes more. Weights hardly compress."""


MEMBERS = 10_000
"""More than any archive of weights has: a `.pth` file has one a tensor."""

_MEMBER = b"PK\x01\x02"
"""Begins a member's entry in an archive's directory."""


@contextlib.contextmanager
def opened(content: bytes) -> Iterator[zipfile.ZipFile]:
    """An archive that `check` lets pass.

    Raises:
        ValueError: where it is no archive, or one that no honest program writes.
    """
    if content.count(_MEMBER) > MEMBERS:  # before Python makes an object of each
        raise ValueError(f"it has more than {MEMBERS} members")
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            check(archive, len(content))
            yield archive
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:  # of a compression, or encrypted
        raise ValueError(str(error)) from None


def check(archive: zipfile.ZipFile, size: int) -> None:
    """Refuses what no honest archive of weights is.

    Args:
        archive: to be read from.
        size: of the whole archive, bytes.

    Raises:
        ValueError: where it would unpack to far more than its size, two members have one name, or a name leads
            elsewhere.
    """
    members = archive.infolist()
    if sum(member.file_size for member in members) > EXPANSION * size + ALLOWANCE:
        raise ValueError("it unpacks to far more than its size; weights do not")
    names = [PurePosixPath(member.filename.replace("\\", "/")) for member in members]
    if len(set(names)) < len(names):
        raise ValueError("two of its members have one name")
    odd = [str(name) for name in names if name.is_absolute() or ".." in name.parts]
    if odd:
        raise ValueError(f"its member {odd[0]!r} leads elsewhere")
