"""Opens untrusted zip archives. Sizes are checked before memory is taken, and no name is used as a path."""

import contextlib
import io
import zipfile
from collections.abc import Iterator
from pathlib import PurePosixPath

EXPANSION, ALLOWANCE = 2, 1 << 20
"""Members may be so many times as large as the archive, plus so many bytes. Weights hardly compress."""


MEMBERS = 10_000
"""More than any archive of weights has: a `.pth` file has one for each tensor."""

_MEMBER = b"PK\x01\x02"
"""The beginning of a member's entry in an archive's directory."""


@contextlib.contextmanager
def opened(content: bytes) -> Iterator[zipfile.ZipFile]:
    """Opens an archive that passes `check`.

    Raises:
        ValueError: if it is no archive, or one that no honest program writes.
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
    """Refuses archives that no honest program writes for weights.

    Args:
        archive: the archive to check.
        size: size of the whole archive, in bytes.

    Raises:
        ValueError: if it would unpack to far more than its size, two members have one name, or a name leads elsewhere.
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
