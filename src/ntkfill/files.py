"""Files are written whole or not at all."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary file beside `path`, which takes its place once it is written whole.

    Examples
    --------
    >>> target = Path(tempfile.mkdtemp()) / "greeting.txt"
    >>> with replacing(target) as path:
    ...     written = path.write_text("hello")
    >>> target.read_text()
    'hello'
    """
    path = Path(os.path.realpath(path))  # a link stays a link
    handle, name = tempfile.mkstemp(
        dir=path.parent or Path(), prefix=".writing-", suffix=path.suffix
    )
    os.close(handle)
    try:
        os.chmod(name, 0o666 & ~_umask())
        yield Path(name)
        os.replace(name, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
