"""Faults and bad input: damaged files, kills while writing, full disks, small files that declare
huge arrays. Prints a table of tries and failures. A failure is anything but the right result or one
sentence, with nothing half-written and nothing else changed."""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import types
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import anndata
import h5py
import nibabel
import numpy as np
import pandas as pd
import tifffile
import xarray
from astropy.io import fits
from PIL import Image

from ntkfill import Inpainter, InputError
from ntkfill.cli import main
from ntkfill.io import hdf5
from ntkfill.nn import hourglass
from ntkfill.runtime import resources
from ntkfill.screens import Screen, complete, simulate
from ntkfill.screens.io import writing

CLAIM = (
    "Over 10,000 damaged files by every command, 1,000 saved inpainters, 1,000 entries of the "
    "cache, bombs, 200 kills of every writer, file size limits and full disks: no traceback, "
    "nothing half-written, nothing else changed."
)
SECONDS = 30  # after which a try hangs
BINARY, CONTAINERS = (".parquet", ".xlsx"), (".nc", ".fits", ".nii", ".nii.gz")
NET = ["--network", "hourglass(1)"]
INPAINT = [*NET, "--mask", "mask.png", "-o"]
PIXEL = [*NET, "--mask", "mask.png", "--at", "3,3", "-o", "out.png"]
FEATURES = ["impute", "table.csv", "--index", "row", "-o", "out.csv"]
METHOD = ["--method", "additive"]
IMAGES = [f"in{s}" for s in (".png", ".jpg", ".tif", ".npy", ".bmp", ".webp", *CONTAINERS)]
SCREENS = [f"screen{s}" for s in (".csv", ".tsv", ".parquet", ".npz", ".gct", ".gctx", ".h5ad")]
SCORES = ["--methods", "cell-mean", "--folds", "2", "--rounds", "1"]

# Commands, and the files that each reads in place of INPUT.
READERS: list[tuple[list[str], list[str]]] = [
    (["inpaint", "INPUT", *INPAINT, "out.npy"], IMAGES),
    (["inpaint", "INPUT", *NET, "--mask", "mask.png", "--dry-run"], ["in.png", "in.tif"]),
    (
        ["inpaint", "in.png", *NET, "-o", "out.png", "--mask", "INPUT"],
        ["mask.png", "mask.tif", "mask.npy"],
    ),
    (["heatmap", "INPUT", *PIXEL], ["in.png", "in.jpg", "in.tif", "in.npy"]),
    (["impute", "INPUT", "-o", "out.csv"], [f"table{s}" for s in (".csv", ".tsv", *BINARY)]),
    ([*FEATURES, "--row-features", "INPUT"], ["rows.csv", "rows.parquet"]),
    ([*FEATURES, "--column-features", "INPUT"], ["columns.csv", "columns.parquet"]),
    (["screen", "complete", "INPUT", *METHOD, "-o", "out.csv"], SCREENS),
    (["screen", "evaluate", "INPUT", *SCORES], SCREENS),
    (["screen", "rank", "INPUT", *METHOD, "--signature", "signature.csv"], SCREENS),
    (
        ["screen", "rank", "screen.csv", *METHOD, "--signature", "INPUT"],
        ["signature.csv", "signature.parquet"],
    ),
]

# Commands, and the files that each writes.
LARGE = [*NET, "--mask", "large-mask.png", "-o", "out.png"]
WRITERS = {
    "inpaint": (["inpaint", "large.png", *LARGE, "--std", "std.npy"], ["out.png", "std.npy"]),
    "inpaint .tif": (["inpaint", "large.png", *LARGE[:-1], "out.tif"], ["out.tif"]),
    "inpaint .jpg": (["inpaint", "large.png", *LARGE[:-1], "out.jpg"], ["out.jpg"]),
    "heatmap": (["heatmap", "large.png", *LARGE, "--at", "3,3"], ["out.png"]),
    "impute": (
        ["impute", "table.csv", "-o", "out.csv", "--std", "std.csv"],
        ["out.csv", "std.csv"],
    ),
    "complete .npz": (["screen", "complete", "screen.csv", *METHOD, "-o", "out.npz"], ["out.npz"]),
    "complete .parquet": (
        ["screen", "complete", "screen.csv", *METHOD, "-o", "out.parquet"],
        ["out.parquet"],
    ),
    "rank": (
        ["screen", "rank", "screen.csv", *METHOD, "--signature", "signature.csv", "-o", "out.csv"],
        ["out.csv"],
    ),
    "evaluate": (
        ["screen", "evaluate", "screen.csv", *SCORES, "--report", "out.html", "--force"],
        ["out.html", "out.json"],
    ),
}

OUTPUTS = {"out.npy", "out.png", "out.csv"}

Failures = Counter[str]


def make_samples() -> None:
    """One small file of each format, in the working directory."""
    rng = np.random.default_rng(0)
    for name, side in (("", 12), ("large-", 48)):
        holes = rng.random((side, side)) < 0.3
        image = np.uint8(120 + 80 * np.sin(np.add.outer(np.arange(side), np.arange(side)) / 4))
        Image.fromarray(image).save("large.png" if name else "in.png")
        Image.fromarray(np.uint8(255 * holes)).save(f"{name}mask.png")
        if not name:
            for suffix in (".jpg", ".bmp", ".webp"):
                Image.fromarray(image).save(f"in{suffix}")
            xarray.Dataset({"image": (("y", "x"), image / 7)}).to_netcdf("in.nc")
            fits.PrimaryHDU(image / 7).writeto("in.fits")
            for suffix in (".nii", ".nii.gz"):
                nibabel.save(nibabel.Nifti1Image(image / 7, np.eye(4)), f"in{suffix}")
            tifffile.imwrite("in.tif", image, compression="zlib")
            tifffile.imwrite("mask.tif", np.uint8(255 * holes))
            np.save("in.npy", image / 7)
            np.save("mask.npy", holes)
            Inpainter(hourglass(1)).fit(mask=holes).save("saved.npz")
    values = np.where(rng.random((8, 3)) < 0.2, np.nan, rng.normal(size=(8, 3)).round(3))
    labels = [f"r{k}" for k in range(8)]
    made = simulate(cells=3, drugs=5, genes=6, random_state=1)
    for name, frame in {
        "table": pd.DataFrame({"row": labels, **dict(zip("abc", values.T, strict=True))}),
        "rows": pd.DataFrame({"row": labels, "f": np.arange(8.0), "g": rng.normal(size=8)}),
        "columns": pd.DataFrame({"name": list("abc"), "f": [1.0, 2.0, 4.0]}),
        "signature": pd.DataFrame(list(made.signature.items()), columns=["gene", "change"]),
    }.items():
        frame.to_csv(f"{name}.csv", index=False)
        frame.to_csv(f"{name}.tsv", index=False, sep="\t")
        frame.to_parquet(f"{name}.parquet", index=False)
        frame.to_excel(f"{name}.xlsx", index=False)
    make_screens(made.screen)


def make_screens(screen: Screen) -> None:
    """A screen in every format."""
    for suffix in (".csv", ".tsv", ".parquet", ".npz"):
        writing.write(Path(f"screen{suffix}"), complete(screen))
    known = screen.known
    cells, drugs, genes = *known.labels.T.tolist(), known.genes.tolist()
    names = [f"c{k}" for k in range(len(cells))]
    lines = [["#1.3"], [len(genes), len(cells), 0, 2], ["id", *names]]
    lines += [["cell", *cells], ["drug", *drugs]]
    lines += [[g, *row] for g, row in zip(genes, known.profiles.T.round(4).tolist(), strict=True)]
    Path("screen.gct").write_text("\n".join("\t".join(map(str, line)) for line in lines) + "\n")
    with h5py.File("screen.gctx", "w") as file:
        file["0/DATA/0/matrix"] = known.profiles
        file["0/META/ROW/id"] = np.array(genes, dtype="S")
        for name, labels in (("id", names), ("cell", cells), ("drug", drugs)):
            file[f"0/META/COL/{name}"] = np.array(labels, dtype="S")
    obs = pd.DataFrame({"cell": cells, "drug": drugs}, index=names)
    anndata.AnnData(known.profiles, obs, pd.DataFrame(index=genes)).write_h5ad("screen.h5ad")


WORDS = [
    *(b"", b"-", b"nan", b"inf", b"1e400", b"1e-320", b"0", b"9" * 30, b'"', b"\t", b",", b"\n"),
    *(b"\x00", b"\xff", b"=1+1", "\u2028".encode()),
]


def mutate(data: bytes, rng: np.random.Generator, others: list[bytes]) -> bytes:
    """Damaged bytes: other bits, blocks or words, the first part only, or another file's."""
    found = bytearray(data)
    at, length = int(rng.integers(len(data))), int(rng.integers(1, 64))
    match rng.integers(8):
        case 0 | 1:
            for place in rng.integers(len(data), size=rng.integers(1, 4)):
                found[place] ^= 1 << rng.integers(8)
        case 2:
            del found[at:]
        case 3:
            del found[at : at + length]
        case 4:
            found[at : at + length] = bytes([rng.choice([0, 255])]) * length
        case 5:
            found[at:at] = found[at : at + length] * int(rng.integers(1, 20))
        case 6:
            found[at : at + int(rng.integers(3))] = WORDS[rng.integers(len(WORDS))]
        case _:
            found = bytearray(others[rng.integers(len(others))])
    return bytes(found)


@contextlib.contextmanager
def limited() -> Iterator[None]:
    """What takes too long is a TimeoutError; warnings are ignored."""

    def stop(*_: object) -> None:
        raise TimeoutError(f"more than {SECONDS} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(SECONDS)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def run(command: list[str]) -> tuple[int, str]:
    """Exit code and stderr of a command in this process."""
    out, err = io.StringIO(), io.StringIO()
    with limited(), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        return main(command), err.getvalue()


def snapshot() -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in Path().iterdir() if path.is_file()}


def what_is_wrong(command: list[str], outputs: set[str]) -> str:
    """What is wrong with how a command treats what may be damaged; "" where nothing is."""
    before = snapshot()
    try:
        code, err = run(command)
    except (Exception, SystemExit) as error:
        frames = [f for f in traceback.extract_tb(error.__traceback__) if "ntkfill" in f.filename]
        place = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "?"
        return f"{type(error).__name__} at {place}: {str(error)[:80]}"
    after = snapshot()
    made = set(after) - set(before)
    for name in made:
        os.unlink(name)
    if {name: after.get(name) for name in before} != before:
        return "an existing file was changed"
    if code not in (0, 1, 3):
        return f"exit code {code}"
    if code == 1:
        last = err.strip().splitlines()[-1] if err.strip() else ""
        if not last.startswith("ntkfill: ") or not last.endswith("."):
            return f"not a sentence: {last!r}"
        return f"written although it failed: {made}" if made else ""
    return f"other files: {made - outputs}" if made - outputs else ""


def attack_readers(tries: int, seed: int) -> tuple[int, Failures]:
    """Mutations of one small file of each format, by every command that reads it."""
    rng, failures = np.random.default_rng(seed), Failures()
    with quick_walks():
        return tries, attack_pairs(tries, rng, failures)


def attack_pairs(tries: int, rng: np.random.Generator, failures: Failures) -> Failures:
    pairs = [(command, name) for command, names in READERS for name in names]
    originals = {name: Path(name).read_bytes() for _, name in pairs}
    others, keep = list(originals.values()), os.environ.get("ATTACK_KEEP")
    for k in range(tries):
        command, name = pairs[k % len(pairs)]
        damaged = Path(f"damaged{''.join(Path(name).suffixes)}")
        damaged.write_bytes(mutate(originals[name], rng, others))
        words = [str(damaged) if word == "INPUT" else word for word in command]
        apart = damaged.suffix in (".gctx", ".h5ad", ".nc")
        if said := (what_is_wrong_apart if apart else what_is_wrong)(words, OUTPUTS):
            failures[f"{' '.join(command[:2])} {damaged.suffix}: {said}"] += 1
            if keep:
                shutil.copy(damaged, Path(keep) / f"{k}{damaged.suffix}")
        damaged.unlink(missing_ok=True)
    return failures


def what_is_wrong_apart(command: list[str], outputs: set[str]) -> str:
    """`what_is_wrong` in a child: the HDF5 library may hang, and answers no signal but SIGKILL."""
    with tempfile.TemporaryDirectory() as folder:
        said = Path(folder) / "said.txt"

        def kill_late(child: int) -> None:
            until = time.monotonic() + SECONDS
            while not os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                if time.monotonic() > until:
                    os.kill(child, signal.SIGKILL)
                time.sleep(0.002)

        code = forked(lambda: bool(said.write_text(what_is_wrong(command, outputs))), kill_late)
        remove("stderr.txt")
        return said.read_text() if said.exists() else f"hangs in a library, or died: {code}"


def forked_walk(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
    """For `subprocess.run` of what tries HDF5 files: a copy of this process does, because an
    interpreter takes longer to start than all the rest of a try."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        child = os.fork()
        if not child:
            code = 1
            try:
                os.dup2(out.fileno(), 1)
                os.dup2(err.fileno(), 2)
                sys.stdout, sys.stderr = out, err
                sys.argv = ["-c", *command[4:]]
                hdf5.walk()
                code = 0
            except SystemExit as error:
                print(error.code, file=err)
            finally:
                out.flush()
                err.flush()
                os._exit(code)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        out.seek(0)
        err.seek(0)
        return subprocess.CompletedProcess(command, code, out.read(), err.read())


@contextlib.contextmanager
def quick_walks() -> Iterator[None]:
    """HDF5 files are tried by copies of this process, for a second each."""
    run, hdf5.START = hdf5.START, 1
    real, hdf5.subprocess = (
        hdf5.subprocess,
        types.SimpleNamespace(  # type: ignore[assignment]
            run=forked_walk, DEVNULL=subprocess.DEVNULL
        ),
    )
    try:
        yield
    finally:
        hdf5.START, hdf5.subprocess = run, real


def attack_load(tries: int, seed: int) -> tuple[int, Failures]:
    """Mutations of a saved inpainter."""
    rng, failures = np.random.default_rng(seed), Failures()
    whole, other = Path("saved.npz").read_bytes(), Path("screen.npz").read_bytes()
    for _ in range(tries):
        Path("damaged.npz").write_bytes(mutate(whole, rng, [other]))
        try:
            with limited():
                Inpainter.load("damaged.npz")
        except InputError:
            pass
        except Exception as error:
            failures[f"load: {type(error).__name__}: {error}"] += 1
    Path("damaged.npz").unlink(missing_ok=True)
    return tries, failures


def attack_cache(tries: int, seed: int) -> tuple[int, Failures]:
    """Mutations of the entries of the cache: the result is the same, and the entry is mended."""
    rng, failures = np.random.default_rng(seed), Failures()
    command = ["inpaint", "in.npy", *INPAINT, "out.npy"]
    run(["kernel", "clear"])
    run(command)
    right = Path("out.npy").read_bytes()
    entries = {p: p.read_bytes() for p in Path(os.environ["NTKFILL_CACHE"]).iterdir()}
    for k in range(tries):
        path = list(entries)[k % len(entries)]
        path.write_bytes(mutate(entries[path], rng, list(entries.values())))
        remove("out.npy")
        try:
            run(command)
            said = "" if Path("out.npy").read_bytes() == right else "another result"
            run(["kernel", "list"])
        except Exception as error:
            said = f"{type(error).__name__}: {error}"
        if not said and content(path) != content(path, entries[path]):
            said = "not mended"
        if said:
            failures[f"cache {path.suffix}: {said}"] += 1
        path.write_bytes(entries[path])
    Path("out.npy").unlink()
    return tries, failures


def content(path: Path, data: bytes | None = None) -> object:
    """What an entry says, whatever its spaces and what follows it."""
    data = path.read_bytes() if data is None else data
    return json.loads(data) if path.suffix == ".json" else np.load(io.BytesIO(data)).tobytes()


def forked(action: Callable[[], int], then: Callable[[int], None] = lambda _: None) -> int:
    """The exit code of an action in a child of this process, whose stderr is in stderr.txt."""
    signals = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)  # the child never leaves this function
    child = os.fork()
    if not child:
        code = 99
        try:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, signals)
            warnings.simplefilter("ignore")
            with contextlib.ExitStack() as stack:
                out, err = (stack.enter_context(open(x, "w")) for x in (os.devnull, "stderr.txt"))
                stack.enter_context(contextlib.redirect_stdout(out))
                stack.enter_context(contextlib.redirect_stderr(err))
                code = action()
        finally:
            os._exit(code)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, signals)
    then(child)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def prepare(command: list[str], outputs: list[str]) -> tuple[dict[str, bytes], float]:
    """The right bytes of what a command writes, and how long it takes."""
    for _ in range(2):
        started = time.perf_counter()
        code = forked(lambda: main(command))
        seconds = time.perf_counter() - started
        assert code == 0, (command, Path("stderr.txt").read_text())
    return {name: Path(name).read_bytes() for name in outputs}, seconds


def remove(*names: str) -> None:
    for name in names:
        Path(name).unlink(missing_ok=True)


def half_written(right: dict[str, bytes], old: dict[str, bytes]) -> list[str]:
    """Outputs that are neither as they were nor whole."""
    found = {name: Path(name).read_bytes() if Path(name).exists() else None for name in right}
    return [name for name in right if found[name] not in (right[name], old.get(name))]


def attack_kills(kills: int, seed: int) -> tuple[int, Failures]:
    """SIGTERM, SIGINT and SIGKILL at random moments during every writer."""
    rng, failures = np.random.default_rng(seed), Failures()
    usual = {
        signal.SIGTERM: {0, 143, -signal.SIGTERM},  # the last before the command begins
        signal.SIGINT: {0, 130, 99},
        signal.SIGKILL: {0, -signal.SIGKILL},
    }
    for name, (command, outputs) in WRITERS.items():
        right, seconds = prepare(command, outputs)
        for k in range(kills):
            old = dict.fromkeys(outputs, b"old") if k % 2 else {}
            remove(*outputs)
            for output, content in old.items():
                Path(output).write_bytes(content)
            before, number = set(os.listdir()), list(usual)[k % 3]
            # Most of them at the end, where files are written.
            moment = seconds * rng.uniform(0.6 if rng.random() < 0.7 else 0.0, 1.1)

            def kill(child: int, moment: float = moment, number: int = number) -> None:
                time.sleep(moment)
                os.kill(child, number)

            code = forked(lambda command=command: main(command), kill)
            said = {
                f"exit code {code}": code not in usual[number],
                "half-written": bool(half_written(right, old)),
                "left": number != signal.SIGKILL and set(os.listdir()) - before - set(outputs),
            }
            for what in (what for what, true in said.items() if true):
                failures[f"{name}, {number.name}: {what}"] += 1
        assert forked(lambda command=command: main(command)) == 0
        if any(path.startswith(".writing-") for path in os.listdir()):
            failures[f"{name}: temporary files stay after the next write"] += 1
        remove(*outputs)
    return kills * len(WRITERS), failures


def after_full(code: int, right: dict[str, bytes], old: dict[str, bytes]) -> str:
    """What is wrong after there was no room: one sentence, nothing half-written, nothing left."""
    lines = Path("stderr.txt").read_text().strip().splitlines()
    if code not in (0, 1) or (code == 1 and not lines[-1:][0].startswith("ntkfill: ")):
        return f"exit code {code}: {lines[-1:]}"
    if half_written(right, {} if code == 0 else old):
        return "half-written"
    return "left" if any(path.startswith(".writing-") for path in os.listdir()) else ""


def attack_file_size(tries: int, seed: int) -> tuple[int, Failures]:
    """RLIMIT_FSIZE below the size of what is written."""
    rng, failures = np.random.default_rng(seed), Failures()
    for name, (command, outputs) in WRITERS.items():
        right, _ = prepare(command, outputs)
        for _ in range(tries):
            old = dict.fromkeys(outputs, b"old")
            for output, content in old.items():
                Path(output).write_bytes(content)
            size = int(rng.integers(max(map(len, right.values()))))

            def action(command: list[str] = command, size: int = size) -> int:
                most = resource.RLIM_INFINITY
                resource.setrlimit(resource.RLIMIT_FSIZE, (size, most))
                try:  # stderr is such a file, too
                    with contextlib.redirect_stderr(io.StringIO()) as err:
                        return main(command)
                finally:
                    resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
                    print(err.getvalue(), file=sys.stderr)

            if said := after_full(forked(action), right, old):
                failures[f"{name}: {said}"] += 1
        remove(*outputs)
    return tries * len(WRITERS), failures


def attack_full_disk(tries: int, seed: int) -> tuple[int, Failures]:
    """A disk of 2 MB with a few pages left; nothing is tried where none can be mounted."""
    rng, failures, here = np.random.default_rng(seed), Failures(), Path.cwd()
    disk = here / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(disk)]
    if not shutil.which("mount") or subprocess.run(mount, capture_output=True).returncode:
        disk.rmdir()
        return 0, failures
    cache = os.environ["NTKFILL_CACHE"]
    try:
        for path in here.iterdir():
            if path.is_file():
                shutil.copy(path, disk)
        os.chdir(disk)
        remove("stderr.txt")
        Path("stderr.txt").symlink_to(here / "stderr.txt")
        for name, (command, outputs) in WRITERS.items():
            right, _ = prepare(command, outputs)
            for _ in range(tries):
                remove(*outputs)
                fill_disk(int(rng.integers(0, 4)))
                code = forked(lambda command=command: main(command))
                if said := after_full(code, right, {}):
                    failures[f"{name}: {said}"] += 1
                remove("filler")
            remove(*outputs)
        os.environ["NTKFILL_CACHE"] = str(disk / "kernels")
        fill_disk(4)
        code = forked(lambda: main(["kernel", "build", "--levels", "2", "4", "5"]))
        said = Path("stderr.txt").read_text()
        if code != 1 or "kept in" not in said or "cannot be written" not in said:
            failures[f"kernel build: exit code {code}: {said}"] += 1
    finally:
        os.environ["NTKFILL_CACHE"] = cache
        os.chdir(here)
        subprocess.run(["umount", str(disk)], check=True)
        disk.rmdir()
    return tries * len(WRITERS) + 1, failures


def fill_disk(pages: int) -> None:
    """Leave so many pages of this disk."""
    with open("filler", "wb", buffering=0) as file:
        with contextlib.suppress(OSError):
            while file.write(bytes(4096)) == 4096:
                pass
        file.truncate(max(0, file.tell() - 4096 * pages))


def make_bombs() -> list[list[str]]:
    """Small files that declare half a gigabyte and more, and commands that read them."""
    many = 2**12
    np.savez_compressed("bomb.npz", genes=np.arange(4), profiles=np.zeros((4, many**2)))
    np.savez_compressed("nothing.npz", other=np.zeros((4, many**2)))
    np.savez_compressed("saved-bomb.npz", missing=np.zeros((16 * many, many), bool), options="{}")
    tile = np.zeros((many, many), np.uint8)
    size = {"shape": (8 * many - 1, 6 * many - 1), "tile": tile.shape, "dtype": tile.dtype}
    tifffile.imwrite("bomb.tif", iter([tile] * 48), compression="zlib", **size)
    Image.new("L", (5 * many, 5 * many)).save("bomb.png")
    with open("bomb.npy", "wb") as file:
        header = {"descr": "<f8", "fortran_order": False, "shape": (8 * many, many)}
        np.lib.format.write_array_header_1_0(file, header)
    with h5py.File("bomb.gctx", "w") as file:
        file.create_dataset("0/DATA/0/matrix", (many, 4 * many), "f8", chunks=True)
        for name in ("ROW/id", "COL/cell", "COL/drug"):
            file.create_dataset(f"0/META/{name}", (4 * many,), "S4", chunks=True)
    shutil.copy("screen.h5ad", "bomb.h5ad")
    with h5py.File("bomb.h5ad", "a") as file:
        del file["X"]
        file.create_dataset("X", (many, 4 * many), "f8", chunks=True)
    pd.DataFrame(dict.fromkeys("ab", np.zeros(2**23, np.int8))).to_parquet("bomb.parquet")
    images = [f"bomb{suffix}" for suffix in (".tif", ".png", ".npy")]
    screens = ["bomb.npz", "nothing.npz", "bomb.gctx", "bomb.h5ad", "bomb.parquet"]
    return [
        *(["inpaint", name, *INPAINT, "out.npy"] for name in images),
        *(["inpaint", "in.png", "--mask", name, "-o", "out.png"] for name in images),
        *(["screen", "complete", name, "-o", "out.csv"] for name in screens),
        ["impute", "bomb.parquet", "-o", "out.csv"],
        ["load", "saved-bomb.npz"],
    ]


def attack_bombs() -> tuple[int, Failures]:
    """Each is refused before it takes 100 MB, where 200 MB are free."""
    failures, commands = Failures(), make_bombs()
    for command in commands:

        def action(command: list[str] = command) -> int:
            resources.available = lambda: 200_000_000
            with open("/proc/self/clear_refs", "w") as file:
                file.write("5")  # the peak begins now
            before = peak()
            if command[0] == "load":
                try:
                    Inpainter.load(command[1])
                    code = 0
                except InputError:
                    code = 1
            else:
                code = main(command)
            return code if peak() - before < 100_000 else 98

        if (code := forked(action)) != 1:
            failures[f"{' '.join(command[:4])}: exit code {code} (98: memory)"] += 1
    remove(*(path.name for path in Path().glob("*bomb*")), "nothing.npz")
    return len(commands), failures


def peak() -> int:
    """The largest memory of this process, in kB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


@contextlib.contextmanager
def scene() -> Iterator[None]:
    """A new working directory with the samples, and a cache of its own."""
    here, cache = Path.cwd(), os.environ.get("NTKFILL_CACHE")
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as kernels:
        try:
            os.chdir(folder)
            os.environ["NTKFILL_CACHE"] = kernels
            make_samples()
            yield
        finally:
            os.chdir(here)
            del os.environ["NTKFILL_CACHE"]
            if cache is not None:
                os.environ["NTKFILL_CACHE"] = cache


def attack() -> bool:
    """Print the table; returns whether nothing failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--tries", type=int, default=1000, help="damaged files (10,000 for the whole attack)")
    add("--kills", type=int, default=10, help="kills of each writer (200)")
    add("--full", type=int, default=10, help="full disks of each writer")
    add("--seed", type=int, default=0)
    add("--only", nargs="+", metavar="ROW", help="rows of the table")
    given = parser.parse_args()
    rows = {
        "files": lambda: attack_readers(given.tries, given.seed),
        "inpainters": lambda: attack_load(given.tries // 10, given.seed),
        "cache": lambda: attack_cache(given.tries // 10, given.seed),
        "bombs": attack_bombs,
        "kills": lambda: attack_kills(given.kills, given.seed),
        "file-size": lambda: attack_file_size(given.full, given.seed),
        "full-disk": lambda: attack_full_disk(given.full, given.seed),
    }
    failed, figures = 0, {}
    with scene():
        print(f"{'':12}{'tried':>8}{'failed':>8}{'seconds':>9}")
        for name in given.only or rows:
            started = time.perf_counter()
            tried, failures = rows[name]()
            seconds = time.perf_counter() - started
            print(f"{name:12}{tried:>8}{failures.total():>8}{seconds:>9.1f}", flush=True)
            for said, count in failures.most_common(20):
                print(f"    {count:>5} {said}")
            failed += failures.total()
            figures[name] = {"tried": tried, "failed": failures.total(), "seconds": seconds}
    if given.tries >= 10_000 and given.kills >= 200 and not given.only:
        import harness  # beside this script

        harness.write("attack", CLAIM, figures, not failed)
    return not failed


if __name__ == "__main__":
    sys.exit(not attack())
