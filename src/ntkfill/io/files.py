"""Every file is named in what is wrong with it, and is written whole or not at all."""

from __future__ import annotations

import contextlib
import io
import json
import math
import os
import re
import secrets
import shutil
import signal
import stat
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ..errors import InputError, MemoryLimitError

try:
    import fcntl
except ImportError:  # Windows, where a file that is open cannot be deleted anyway
    fcntl = None  # type: ignore[assignment]

# Suffixes of what is stored as a folder.
FOLDERS = (".zarr",)

# Files that are being written, or whose writer has died.
UNFINISHED = re.compile(r"\.writing-.*")

NO_LINKS = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)


@contextlib.contextmanager
def replacing(path: Path, *, follow: bool = True) -> Iterator[Path]:
    """A temporary file beside `path`, which takes its place once it is whole and on disk.

    It gets mode and owner of what it replaces. A link stays a link if `follow`, and is replaced
    otherwise. Temporary files in this folder whose writers have died are deleted.

    Raises
    ------
    InputError
        If the file cannot be written, or `path` is a folder, a device or a pipe.

    Examples
    --------
    >>> import tempfile
    >>> target = Path(tempfile.mkdtemp()) / "greeting.txt"
    >>> with replacing(target) as path:
    ...     written = path.write_text("hello")
    >>> target.read_text()
    'hello'
    """
    place = Path(os.path.realpath(path)) if follow else path
    # Its name comes before it does, so that whatever interrupts can delete it.
    draft = place.with_name(f".writing-{secrets.token_hex(8)}{place.suffix}")
    file = None
    try:
        if follow:
            _check_place(path)
        _delete_unfinished(place.parent)
        old = os.lstat(place) if os.path.lexists(place) else None
        if old is not None and not stat.S_ISREG(old.st_mode):
            old = None
        file = _create(draft, 0o666 if old is None else old.st_mode & 0o777)
        yield draft
        if old is not None:
            _copy_owner(old, draft)
        os.fsync(file.fileno())
        file.close()
        os.replace(draft, place)
        _sync(place.parent)
    except (InputError, MemoryError):
        raise
    except Exception as error:  # where there is no room a library may raise anything
        raise InputError(f"{path} cannot be written", got=_reason(error)) from error
    finally:
        if file is not None:
            file.close()
        with contextlib.suppress(OSError):
            os.unlink(draft)


@contextlib.contextmanager
def replacing_folder(path: Path) -> Iterator[Path]:
    """A temporary folder beside `path`, which is renamed to it once it is whole and on disk; one
    that exists is never overwritten."""
    draft = path.with_name(f".writing-{secrets.token_hex(8)}{path.suffix}")
    lock = None
    try:
        _delete_unfinished(path.parent)
        draft.mkdir()
        lock = _lock_folder(draft)
        yield draft
        put_in_place(draft, path)
    except (InputError, MemoryError):
        raise
    except Exception as error:  # as above
        raise InputError(f"{path} cannot be written", got=_reason(error)) from error
    finally:
        if lock is not None:
            os.close(lock)
        if draft.exists():
            _remove_folder(draft)


def put_in_place(draft: Path, path: Path) -> None:
    """Rename a whole file or folder once it is on disk; it gets mode and owner of what it
    replaces."""
    for place in (*draft.rglob("*"), draft):
        _sync(place)
    if path.is_file():
        _copy_owner(path.stat(), draft)
    os.replace(draft, path)
    _sync(path.parent)


@contextlib.contextmanager
def alone(draft: Path) -> Iterator[None]:
    """Refuse what another job writes, an unfinished file or folder, and others while this one
    does."""
    if fcntl is None:
        yield
        return
    lock = os.open(draft, os.O_RDONLY | os.O_NONBLOCK)  # a pipe in its place would wait
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            what = f"{draft} is being written by another job"
            raise InputError(what, hint="another name, or wait until it is done") from error
        except OSError:  # a file system without locks
            pass
        yield
    finally:
        os.close(lock)


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """SIGINT and SIGTERM wait until a library has written: raised in the midst of it, their
    exceptions may leave its locks taken, and the process then waits for itself for ever."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    waiting: list[int] = []
    usual = {
        number: signal.signal(number, lambda given, _: waiting.append(given))
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for number, handler in usual.items():
            signal.signal(number, handler or signal.SIG_DFL)
        if waiting:
            signal.raise_signal(waiting[0])


def scratch_folder(prefix: str) -> tuple[Path, io.FileIO]:
    """A new folder for this user alone, and a file in it that keeps it for as long as it is open.

    Folders of this prefix whose processes have died are deleted.

    Examples
    --------
    >>> folder, lock = scratch_folder("ntkfill-example-")
    >>> lock.close()
    >>> after, lock = scratch_folder("ntkfill-example-")
    >>> folder.exists(), after.exists()
    (False, True)
    >>> lock.close()
    >>> shutil.rmtree(after)
    """
    for lock in Path(tempfile.gettempdir()).glob(f"{prefix}*/lock"):
        folder = lock.parent
        mine = not hasattr(os, "getuid") or folder.lstat().st_uid == os.getuid()
        if mine and not folder.is_symlink() and _delete_unlocked(lock):
            shutil.rmtree(folder, ignore_errors=True)
    while True:
        folder = Path(tempfile.mkdtemp(prefix=prefix))
        with contextlib.suppress(FileNotFoundError):  # deleted by another process before it locked
            return folder, _create(folder / "lock", 0o600)


def json_text(value: Any, indent: int | None = None) -> str:
    """JSON, with null for numbers that are not finite: no reader has to know another word.

    >>> json_text({"marks": [-1.0, float("nan")], "error": float("inf")})
    '{"marks": [-1.0, null], "error": null}'
    """
    return json.dumps(_without_infinities(value), indent=indent, allow_nan=False)


def _without_infinities(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_infinities(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_without_infinities(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def suffix_of(path: Path) -> str:
    """The suffix in lower case, with the one before .gz.

    >>> suffix_of(Path("scan.v2.NII.gz")), suffix_of(Path("photo.v2.png"))
    ('.nii.gz', '.png')
    """
    last = "".join(path.suffixes[-2:] if path.suffix.lower() == ".gz" else path.suffixes[-1:])
    return last.lower()


def check_source(path: Path, suffixes: Sequence[str] = ()) -> None:
    """Refuse a file that does not exist, is empty, or is of another kind.

    Raises
    ------
    InputError
        If there is no such file, it is a folder, a device or empty, or its suffix is none of
        `suffixes`, where there are any.

    Examples
    --------
    >>> check_source(Path("no/such/table.csv"), [".csv"])
    Traceback (most recent call last):
        ...
    ntkfill.errors.InputError: there is no file no/such/table.csv.
    """
    if path.is_dir() and suffix_of(path) not in FOLDERS:
        raise InputError(f"{path} is a folder", expected="a file")
    if not path.exists():
        raise InputError(f"there is no file {path}")
    if suffixes:
        _check_suffix(path, suffixes, "read")
    if path.is_char_device() or path.is_block_device():
        raise InputError(f"{path} is a device", expected="a file")
    if path.is_file() and path.stat().st_size == 0:
        raise InputError(f"{path} is empty")


def check_target(path: Path, suffixes: Sequence[str] = ()) -> None:
    """Refuse, before any work, a path that no file can be written to.

    Raises
    ------
    InputError
        If the suffix is none of `suffixes` (where there are any), the folder does not exist or may
        not be written to, or the path is a folder, a device or a pipe itself.

    Examples
    --------
    >>> check_target(Path("no/such/folder/filled.csv"))
    Traceback (most recent call last):
        ...
    ntkfill.errors.InputError: there is no folder no/such/folder.
    """
    if suffixes:
        _check_suffix(path, suffixes, "written")
    folder = Path(os.path.realpath(path)).parent  # as in `replacing`
    if not folder.is_dir():
        raise InputError(f"there is no folder {path.parent}")
    _check_place(path)
    if not os.access(folder, os.W_OK | os.X_OK):
        raise InputError(f"{path} cannot be written", got="a folder without permission to write")


@contextlib.contextmanager
def naming(path: Path, what: str = "") -> Iterator[None]:
    """The boundary around all that reads a file: what it raises names the file and the reason.

    `what` is wrong with a file that no reader can read, "cannot be read" by default.

    Examples
    --------
    >>> with naming(Path("table.csv")):
    ...     raise InputError("line 3 has another length", expected="4 cells", got="5")
    Traceback (most recent call last):
        ...
    ntkfill.errors.InputError: table.csv: line 3 has another length; expected 4 cells; got 5.
    >>> with naming(Path("table.csv")):
    ...     [].pop()
    Traceback (most recent call last):
        ...
    ntkfill.errors.InputError: table.csv cannot be read; got IndexError: pop from empty list.
    """
    try:
        yield
    except (InputError, MemoryLimitError) as error:
        place = f"{path} {what}" if what else str(path)
        raise InputError(f"{place}: {str(error).rstrip('.')}") from None
    except Exception as error:  # a damaged file may make a decoder raise anything
        hint = "pip install imagecodecs" if "imagecodecs" in str(error) else ""
        reason = _reason(error)
        raise InputError(f"{path} {what or 'cannot be read'}", got=reason, hint=hint) from error


class CheckedFile(io.BufferedRandom):
    """A file without a descriptor: what NumPy and Pillow write to one may be cut without an error
    where the disk is full."""

    def __init__(self, path: Path) -> None:
        super().__init__(io.FileIO(path, "w+"))

    def fileno(self) -> int:
        raise io.UnsupportedOperation("fileno")


def _check_suffix(path: Path, suffixes: Sequence[str], verb: str) -> None:
    suffix = suffix_of(path)
    if suffix not in suffixes:
        raise InputError(
            f"{path} cannot be {verb}", expected=" ".join(suffixes), got=suffix or "no suffix"
        )


def _check_place(path: Path) -> None:
    """Refuse what no file may take the place of."""
    if path.exists() and suffix_of(path) in FOLDERS:
        raise InputError(f"{path} exists, and is not overwritten", hint="another name")
    if path.is_dir():
        raise InputError(f"{path} cannot be written, as it is a folder")
    if path.exists():
        if not path.is_file():
            raise InputError(f"{path} cannot be written, as it is a device or a pipe")
        if not os.access(path, os.W_OK):
            raise InputError(f"{path} cannot be written", got="a file without permission to write")


def _create(draft: Path, mode: int) -> io.FileIO:
    """A new file, locked for as long as it is open."""
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | NO_LINKS
    while True:
        file = io.FileIO(draft, "r+", opener=lambda path, _: os.open(path, flags, mode | 0o600))
        if fcntl is not None:
            with contextlib.suppress(OSError):  # a file system without locks
                fcntl.flock(file, fcntl.LOCK_EX)
        if os.fstat(file.fileno()).st_nlink:
            return file
        file.close()  # deleted by another process before it was locked


def _lock_folder(folder: str | Path) -> int | None:
    """A handle that locks a folder until it is closed; None where another process has locked it, or
    there are no locks."""
    if fcntl is None:
        return None
    handle = os.open(folder, os.O_RDONLY | NO_LINKS)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        return None
    return handle


def _remove_folder(folder: Path) -> None:
    """Delete a folder into which threads of a library may still write for a moment: until it has
    not been made again for a while, which may take longer where much else is going on."""
    since = 0
    for _ in range(100):
        if not folder.exists():
            since += 1
            if since == 5:
                return
        else:
            since = 0
            shutil.rmtree(folder, ignore_errors=True)
        time.sleep(0.02)


def _delete_unfinished(folder: Path) -> None:
    """Delete temporary files and folders that no living process has locked."""
    for entry in os.scandir(folder):
        if not UNFINISHED.fullmatch(entry.name):
            continue
        if entry.is_file(follow_symlinks=False):
            _delete_unlocked(entry.path)
        elif entry.is_dir(follow_symlinks=False):
            with contextlib.suppress(OSError):
                if (lock := _lock_folder(entry.path)) is not None:
                    _remove_folder(Path(entry.path))
                    os.close(lock)


def _delete_unlocked(path: str | Path) -> bool:
    """Delete a file, unless a living process has locked it; whether it is gone."""
    with contextlib.suppress(OSError):
        handle = os.open(path, os.O_RDWR | NO_LINKS)
        try:
            if fcntl is not None:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                os.unlink(path)
        finally:
            os.close(handle)
        if fcntl is None:
            os.unlink(path)
        return True
    return False


def _copy_owner(old: os.stat_result, draft: Path) -> None:
    """Mode and, as far as this user may, owner and group of the file that is replaced."""
    if hasattr(os, "chown"):
        for owner in (old.st_uid, -1):
            with contextlib.suppress(PermissionError):
                os.chown(draft, owner, old.st_gid)
                break
    os.chmod(draft, old.st_mode & 0o777)


def _sync(path: Path) -> None:
    with contextlib.suppress(OSError):  # not all systems can
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _reason(error: Exception) -> str:
    text = (error.strerror if isinstance(error, OSError) else None) or str(error)
    kind = "" if text and isinstance(error, OSError | ValueError) else type(error).__name__
    first = text.strip().partition("\n")[0].rstrip(".")
    return ": ".join(part for part in (kind, first) if part)
