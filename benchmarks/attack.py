"""Faults and bad input: damaged files, kills while writing, full disks, small files that declare
huge arrays. Prints a table of tries and failures. A failure is anything but the right result or one
sentence, with nothing half-written and nothing else changed."""

from __future__ import annotations

import argparse
import contextlib
import functools
import gzip
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
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import anndata
import av
import h5py
import nibabel
import numpy as np
import pandas as pd
import tifffile
import xarray
import zarr
from astropy.io import fits
from PIL import Image

from ntkfill import Inpainter, InputError, Recommender, ratings
from ntkfill.app import images, jobs, screens, tables
from ntkfill.cli import main
from ntkfill.io import hdf5
from ntkfill.nn import hourglass
from ntkfill.runtime import resources
from ntkfill.screens import Screen, complete, simulate
from ntkfill.screens.io import writing

CLAIM = (
    "Over 10,000 damaged files by every command, 1,000 in the page, 1,000 saved models, 1,000 "
    "entries of the cache, 1,000 unfinished arrays, bombs, 200 kills of every writer, file size "
    "limits and full disks: no traceback, nothing half-written, nothing else changed."
)
PIECES = 10  # in which the damaged files may be tried, each with a seed of its own
SECONDS = 30  # after which a try hangs
BINARY = (".parquet", ".xlsx")
CONTAINERS = (".nc", ".fits", ".nii", ".nii.gz", ".zarr")
FILMS = [f"film{suffix}" for suffix in (".mkv", ".mp4", ".avi", ".mov", ".webm")]
NET = ["--network", "hourglass(1)"]
FAST = [*NET, "--fast"]  # what is written is the same kind of file
INPAINT = [*FAST, "--mask", "mask.png", "-o"]
PIXEL = [*NET, "--mask", "mask.png", "--at", "3,3", "-o", "out.png"]
FEATURES = ["impute", "table.csv", "--index", "row", "-o", "out.csv"]
METHOD = ["--method", "additive"]
IMAGES = [f"in{s}" for s in (".png", ".jpg", ".tif", ".npy", ".bmp", ".webp", *CONTAINERS)]
IMAGES += ["old.nc", "group.zarr"]
FILM = [*FAST, "--mask", "film.npy", "-o"]
PARTS = ["--workers", "1", *NET, "--mask", "mask.npy", "-o"]
TABLES = [f"table{s}" for s in (".csv", ".tsv", *BINARY)]
RATES = ["rate", "ratings.csv", "-o", "out.csv"]
SCREENS = [f"screen{s}" for s in (".csv", ".tsv", ".parquet", ".npz", ".gct", ".gctx", ".h5ad")]
SCORES = ["--methods", "cell-mean", "--folds", "2", "--rounds", "1"]

# Commands, and the files that each reads in place of INPUT.
READERS: list[tuple[list[str], list[str]]] = [
    (["inpaint", "INPUT", *INPAINT, "out.npy"], IMAGES),
    (["inpaint", "INPUT", *FILM, "out.npy"], FILMS),
    (["inpaint", "INPUT", *PARTS, "out.npy"], ["in.npy", "in.zarr"]),
    (["inpaint", "INPUT", *FAST, "--mask", "mask.png", "--dry-run"], ["in.png", "in.tif"]),
    (
        ["inpaint", "in.png", *FAST, "-o", "out.png", "--mask", "INPUT"],
        ["mask.png", "mask.tif", "mask.npy", "mask.nii", "mask.zarr"],
    ),
    (
        ["inpaint", "in.npy", "--workers", "1", *NET, "--mask", "INPUT", "-o", "out.npy"],
        ["mask.npy"],
    ),
    (["inpaint", "in.png", *INPAINT, "out.png", "--exclude", "INPUT"], ["mask.png"]),
    (["heatmap", "INPUT", *PIXEL], ["in.png", "in.jpg", "in.tif", "in.npy"]),
    (["impute", "INPUT", "-o", "out.csv"], TABLES),
    ([*FEATURES, "--row-features", "INPUT"], ["rows.csv", "rows.parquet"]),
    ([*FEATURES, "--column-features", "INPUT"], ["columns.csv", "columns.parquet"]),
    (["screen", "complete", "INPUT", *METHOD, "-o", "out.csv"], SCREENS),
    (["screen", "evaluate", "INPUT", *SCORES], SCREENS),
    (["screen", "rank", "INPUT", *METHOD, "--signature", "signature.csv"], SCREENS),
    (
        ["screen", "rank", "screen.csv", *METHOD, "--signature", "INPUT"],
        ["signature.csv", "signature.parquet"],
    ),
    (["screen", "complete", "INPUT", "--method", "low-rank", "-o", "out.npy"], SCREENS[:2]),
    (
        ["screen", "complete", "named.gct", "--labels", "INPUT", *METHOD, "-o", "out.csv"],
        ["labels.tsv"],
    ),
    (["rate", "INPUT", "-o", "out.csv"], [f"ratings{s}" for s in (".csv", ".tsv", ".parquet")]),
    ([*RATES, "--pairs", "INPUT"], ["pairs.csv"]),
    ([*RATES, "--item-features", "INPUT"], ["items.csv", "items.parquet"]),
    ([*RATES, "--user-features", "INPUT"], ["users.csv"]),
]

# What the page calls when a file is opened, and the files.
OPENED: list[tuple[Callable[..., Any], list[str]]] = [
    (images.open_image, [*IMAGES, *FILMS]),
    (lambda folder, source, report: tables.open_table(folder, source, (), report), TABLES),
    (lambda folder, source, report: screens.is_screen(source, report), ["screen.csv"]),
    (screens.open_screen, SCREENS),
]

# Commands, and the files that each writes.
LARGE = ["--mask", "large-mask.png", "-o", "out.png"]
WRITERS = {
    "inpaint": (
        ["inpaint", "large.png", *FAST, *LARGE, "--std", "std.npy"],
        ["out.png", "std.npy"],
    ),
    "inpaint .tif": (["inpaint", "large.png", *FAST, *LARGE[:-1], "out.tif"], ["out.tif"]),
    "inpaint .jpg": (["inpaint", "large.png", *FAST, *LARGE[:-1], "out.jpg"], ["out.jpg"]),
    "heatmap": (["heatmap", "large.png", *NET, *LARGE, "--at", "3,3"], ["out.png"]),
    **{
        f"inpaint {suffix}": (
            ["inpaint", f"large{suffix}", *FAST, *LARGE[:-1], f"out{suffix}"],
            [f"out{suffix}"],
        )
        for suffix in (".npy", ".nii.gz", ".fits", ".nc", ".zarr")
    },
    "inpaint .mp4": (
        ["inpaint", "film.mp4", *FAST, "--mask", "film.npy", "-o", "out.mp4"],
        ["out.mp4"],
    ),
    "inpaint in parts": (["inpaint", "in.npy", *PARTS, "out.npy"], ["out.npy"]),
    "inpaint .zarr in parts": (["inpaint", "in.npy", *PARTS, "out.zarr"], ["out.zarr"]),
    "impute .parquet": (["impute", "table.parquet", "-o", "out.parquet"], ["out.parquet"]),
    "impute .xlsx": (["impute", "table.xlsx", "-o", "out.xlsx"], ["out.xlsx"]),
    "rate": (
        ["rate", "ratings.csv", "--recommend", "3", "-o", "out.csv", "--save", "out.npz"],
        ["out.csv", "out.npz"],
    ),
    "impute": (
        ["impute", "table.csv", "-o", "out.csv", "--std", "std.csv"],
        ["out.csv", "std.csv"],
    ),
    "complete .npz": (["screen", "complete", "screen.csv", *METHOD, "-o", "out.npz"], ["out.npz"]),
    "complete .parquet": (
        ["screen", "complete", "screen.csv", *METHOD, "-o", "out.parquet"],
        ["out.parquet"],
    ),
    **{
        f"complete {suffix}": (
            ["screen", "complete", f"screen{suffix}", *METHOD, "-o", f"out{suffix}"],
            [f"out{suffix}"],
        )
        for suffix in (".gct", ".gctx", ".h5ad")
    },
    "complete in parts": (
        ["screen", "complete", "screen.csv", "--method", "low-rank", "-o", "out.npy", "--force"],
        ["out.npy", "out.json"],
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

OUTPUTS = {"out.npy", "out.json", "out.png", "out.csv"}

Failures = Counter[str]


def make_samples() -> None:
    """One small file of each format, in the working directory."""
    rng = np.random.default_rng(0)
    for name, side in (("", 12), ("large-", 48)):
        holes = rng.random((side, side)) < 0.3
        image = np.uint8(120 + 80 * np.sin(np.add.outer(np.arange(side), np.arange(side)) / 4))
        Image.fromarray(image).save("large.png" if name else "in.png")
        Image.fromarray(np.uint8(255 * holes)).save(f"{name}mask.png")
        stem = "large" if name else "in"
        np.save(f"{stem}.npy", image / 7)
        xarray.Dataset({"image": (("y", "x"), image / 7)}).to_netcdf(f"{stem}.nc")
        fits.PrimaryHDU(image / 7).writeto(f"{stem}.fits")
        for suffix in (".nii", ".nii.gz"):
            nibabel.save(nibabel.Nifti1Image(image / 7, np.eye(4)), f"{stem}{suffix}")
        zarr.create_array(f"{stem}.zarr", data=image / 7, chunks=(8, 8))
        if not name:
            for suffix in (".jpg", ".bmp", ".webp"):
                Image.fromarray(image).save(f"in{suffix}")
            data = xarray.Dataset({"image": (("y", "x"), image / 7)}, {"y": np.arange(12.0)})
            data.to_netcdf("old.nc", engine="scipy")
            data.to_zarr("group.zarr", consolidated=False)
            tifffile.imwrite("in.tif", image, compression="zlib")
            tifffile.imwrite("mask.tif", np.uint8(255 * holes))
            nibabel.save(nibabel.Nifti1Image(np.uint8(holes), np.eye(4)), "mask.nii")
            zarr.create_array("mask.zarr", data=np.uint8(holes))
            np.save("mask.npy", holes)
            Inpainter(hourglass(1)).fit(mask=holes).save("saved.npz")
    make_films(rng)
    values = np.where(rng.random((8, 3)) < 0.2, np.nan, rng.normal(size=(8, 3)).round(3))
    labels = [f"r{k}" for k in range(8)]
    made = simulate(cells=3, drugs=5, genes=6, random_state=1)
    for name, frame in {
        "table": pd.DataFrame({"row": labels, **dict(zip("abc", values.T, strict=True))}),
        "rows": pd.DataFrame({"row": labels, "f": np.arange(8.0), "g": rng.normal(size=8)}),
        "columns": pd.DataFrame({"name": list("abc"), "f": [1.0, 2.0, 4.0]}),
        "signature": pd.DataFrame(list(made.signature.items()), columns=["gene", "change"]),
        **make_ratings(rng),
    }.items():
        frame.to_csv(f"{name}.csv", index=False)
        frame.to_csv(f"{name}.tsv", index=False, sep="\t")
        frame.to_parquet(f"{name}.parquet", index=False)
        frame.to_excel(f"{name}.xlsx", index=False)
    make_screens(made.screen)


def make_films(rng: np.random.Generator) -> None:
    """Three frames in every container of videos, and a mask."""
    frames = np.uint8(
        120 + 80 * np.sin(np.add.outer(np.arange(3), np.add.outer(*[np.arange(16)] * 2)))
    )
    np.save("film.npy", rng.random(frames.shape) < 0.3)
    for name in FILMS:
        codec = {".webm": "libvpx", ".mkv": "ffv1"}.get(Path(name).suffix, "mpeg4")
        with av.open(name, "w") as file:
            stream = file.add_stream(codec, rate=25)
            stream.height, stream.width = frames.shape[1:]
            stream.pix_fmt = "gray" if codec == "ffv1" else "yuv420p"
            for frame in frames:
                file.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="gray")))
            file.mux(stream.encode())


def make_ratings(rng: np.random.Generator) -> dict[str, pd.DataFrame]:
    """Ratings, pairs without one, features, and a saved model."""
    made = ratings.simulate(users=8, items=6, count=30, rank=2)
    names = sorted(set(made.users)), sorted(set(made.items))
    Recommender(max_iter=1).fit(made.users, made.items, made.ratings).save("model.npz")
    return {
        "ratings": pd.DataFrame(
            {
                "user": made.users,
                "item": made.items,
                "rating": [*made.ratings.round(2)[:-3], *[np.nan] * 3],
            }
        ),
        "pairs": pd.DataFrame({"user": made.users[:5], "item": made.items[5:10]}),
        "users": pd.DataFrame({"user": names[0], "f": rng.normal(size=len(names[0]))}),
        "items": pd.DataFrame({"item": names[1], "f": rng.normal(size=len(names[1]))}),
    }


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
    bare = [*lines[:1], [len(genes), len(cells), 0, 0], *lines[2:3], *lines[5:]]
    Path("named.gct").write_text("\n".join("\t".join(map(str, line)) for line in bare) + "\n")
    pd.DataFrame({"sig_id": names, "cell": cells, "drug": drugs}).to_csv(
        "labels.tsv", sep="\t", index=False
    )
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
    """The content of every file here, by its path."""
    return {str(path): path.read_bytes() for path in Path().rglob("*") if path.is_file()}


def content_of(name: str) -> object:
    """What a file or a folder holds, whatever the time at which it was written; None where there is
    none."""
    path = Path(name)
    if path.is_dir():
        return {str(p): p.read_bytes() for p in sorted(path.rglob("*")) if p.is_file()}
    if path.suffix == ".xlsx" and zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as parts:
            return {part: parts.read(part) for part in parts.namelist() if "core" not in part}
    return path.read_bytes() if path.exists() else None


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
    others, keep = samples(pairs), os.environ.get("ATTACK_KEEP")
    for k in range(tries):
        command, name = pairs[k % len(pairs)]
        damaged = damage(name, rng, others)
        words = [str(damaged) if word == "INPUT" else word for word in command]
        said = (what_is_wrong_apart if is_apart(damaged) else what_is_wrong)(words, OUTPUTS)
        if said:
            failures[f"{' '.join(command[:2])} {damaged.suffix}: {said}"] += 1
            if keep:
                copy(damaged, Path(keep) / f"{k}{damaged.suffix}")
        remove(str(damaged))
    return failures


def is_apart(path: Path) -> bool:
    """Whether it is read by a library in C that may hang or die."""
    return path.suffix in (".gctx", ".h5ad", ".nc", *(Path(name).suffix for name in FILMS))


def samples(pairs: list[tuple[Any, str]]) -> list[bytes]:
    """The bytes of what is read."""
    paths = [Path(name) for _, name in pairs]
    return [path.read_bytes() for path in paths if path.is_file()]


def damage(name: str, rng: np.random.Generator, others: list[bytes]) -> Path:
    """A damaged copy of a file, or of a folder in which one file is damaged."""
    damaged = Path(f"damaged{''.join(Path(name).suffixes)}")
    copy(Path(name), damaged)
    found = [damaged] if damaged.is_file() else sorted(p for p in damaged.rglob("*") if p.is_file())
    place = found[rng.integers(len(found))]
    place.write_bytes(mutate(place.read_bytes(), rng, others))
    return damaged


def copy(source: Path, target: Path) -> None:
    (shutil.copytree if source.is_dir() else shutil.copyfile)(source, target)


def attack_page(tries: int, seed: int) -> tuple[int, Failures]:
    """Mutations of every file that the page opens: what a worker answers is a result or why not."""
    rng, failures = np.random.default_rng(seed), Failures()
    pairs = [(opener, name) for opener, names in OPENED for name in names]
    others = samples(pairs)
    with quick_walks(), tempfile.TemporaryDirectory() as folder:
        for k in range(tries):
            opener, name = pairs[k % len(pairs)]
            damaged, said = damage(name, rng, others), Path(folder) / "said.txt"

            def action(opener: Any = opener, damaged: Path = damaged, said: Path = said) -> int:
                kind, answer = jobs._answer(
                    types.SimpleNamespace(send=print), opener, (Path(folder), damaged)
                )
                json.dumps(answer, allow_nan=False)
                said.write_text(answer if kind == "failed" else "")
                return 0

            said.unlink(missing_ok=True)
            code = forked(action, kill_late)
            text = said.read_text() if said.exists() else f"hangs, or died: {code}"
            if code or "a fault of ntkfill" in text or (text and not text.endswith(".")):
                failures[f"{damaged.suffix}: {text or code}"] += 1
            remove(str(damaged), "stderr.txt")
    return tries, failures


def kill_late(child: int) -> None:
    """End a child that hangs."""
    until = time.monotonic() + SECONDS
    while not os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT):
        if time.monotonic() > until:
            os.kill(child, signal.SIGKILL)
        time.sleep(0.002)


def what_is_wrong_apart(command: list[str], outputs: set[str]) -> str:
    """`what_is_wrong` in a child: the HDF5 library may hang, and answers no signal but SIGKILL."""
    with tempfile.TemporaryDirectory() as folder:
        said = Path(folder) / "said.txt"
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
    """Mutations of a saved inpainter and of a saved recommender."""
    rng, failures = np.random.default_rng(seed), Failures()
    other = Path("screen.npz").read_bytes()
    loaders: list[tuple[Callable[[str], Any], str]] = [
        (Inpainter.load, "saved.npz"),
        (load_model, "model.npz"),
    ]
    for k in range(tries):
        load, name = loaders[k % 2]
        Path("damaged.npz").write_bytes(mutate(Path(name).read_bytes(), rng, [other]))
        try:
            with limited():
                load("damaged.npz")
        except InputError:
            pass
        except Exception as error:
            failures[f"{name}: {type(error).__name__}: {error}"] += 1
    Path("damaged.npz").unlink(missing_ok=True)
    return tries, failures


def load_model(path: str) -> None:
    """What loads must also predict."""
    model = Recommender.load(path)
    model.predict(model.users_[:1], model.items_[:1])


def attack_unfinished(tries: int, seed: int) -> tuple[int, Failures]:
    """Mutations of what an interrupted job has left, which is resumed."""
    rng, failures = np.random.default_rng(seed), Failures()
    command = ["inpaint", "in.npy", *PARTS, "out.npy", "--resume"]
    run(command)
    right = Path("out.npy").read_bytes()
    remove("out.npy")
    names = ("out.npy.unfinished", "out.npy.unfinished.json")
    whole = unfinished(command, names)
    for k in range(tries):
        for name in names:
            Path(name).write_bytes(whole[name])
        name = names[k % 2]
        Path(name).write_bytes(mutate(whole[name], rng, list(whole.values())))
        try:
            code, err = run(command)
            said = "" if code or content_of("out.npy") is not None else "nothing written"
            if code and not err.strip().splitlines()[-1].startswith("ntkfill: "):
                said = f"not a sentence: {err}"
            if not code and name.endswith(".json") and Path("out.npy").read_bytes() != right:
                said = "another result"
        except Exception as error:
            said = f"{type(error).__name__}: {error}"
        if said:
            failures[f"{name}: {said}"] += 1
        remove("out.npy", *names)
    return tries, failures


def unfinished(command: list[str], names: tuple[str, ...]) -> dict[str, bytes]:
    """What a job that was killed before its end leaves."""
    replace = os.replace

    def fail(source: Any, target: Any) -> None:
        if Path(target).name == "out.npy":
            os._exit(0)
        replace(source, target)

    def action() -> int:
        os.replace = fail
        return main(command)

    assert forked(action) == 0
    return {name: Path(name).read_bytes() for name in names}


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


def last_line() -> str:
    """What a forked action said last."""
    return "".join(Path("stderr.txt").read_text().strip().splitlines()[-1:])


def prepare(command: list[str], outputs: list[str]) -> tuple[dict[str, object], float]:
    """The right content of what a command writes, and how long it takes."""
    for _ in range(2):
        remove(*outputs)
        started = time.perf_counter()
        code = forked(lambda: main(command))
        seconds = time.perf_counter() - started
        assert code == 0, (command, Path("stderr.txt").read_text())
    return {name: content_of(name) for name in outputs}, seconds


def remove(*names: str) -> None:
    for path in map(Path, names):
        if path.is_dir():
            shutil.rmtree(path)
        path.unlink(missing_ok=True)


def half_written(right: dict[str, object], old: dict[str, bytes]) -> list[str]:
    """Outputs that are neither as they were nor whole."""
    found = {name: content_of(name) for name in right}
    return [name for name in right if found[name] not in (right[name], old.get(name))]


def write_old(outputs: list[str]) -> dict[str, bytes]:
    """Earlier outputs; folders are never replaced."""
    old = {name: b"old" for name in outputs if not name.endswith(".zarr")}
    for name, content in old.items():
        Path(name).write_bytes(content)
    return old


def left(before: set[str], outputs: list[str]) -> set[str]:
    """Files besides the outputs, and what a job can be resumed from."""
    return {x for x in set(os.listdir()) - before - set(outputs) if ".unfinished" not in x}


def attack_kills(kills: int, seed: int, *writers: str) -> tuple[int, Failures]:
    """SIGTERM, SIGINT and SIGKILL at random moments during these writers, or all."""
    rng, failures = np.random.default_rng(seed), Failures()
    with quick_walks():
        for name in writers or WRITERS:
            kill_writer(name, kills, rng, failures)
    return kills * len(writers or WRITERS), failures


def kill_writer(name: str, kills: int, rng: np.random.Generator, failures: Failures) -> None:
    usual = {
        signal.SIGTERM: {0, 143, -signal.SIGTERM},  # the last before the command begins
        signal.SIGINT: {0, 130, 99},
        signal.SIGKILL: {0, -signal.SIGKILL},
    }
    command, outputs = WRITERS[name]
    right, seconds = prepare(command, outputs)
    for k in range(kills):
        if k == kills // 10:  # from now on what is imported late is here already
            remove(*outputs)
            run(command)
            right, seconds = prepare(command, outputs)
        remove(*outputs)
        old = write_old(outputs) if k % 2 else {}
        before, number = set(os.listdir()), list(usual)[k % 3]
        # Most of them at the end, where files are written.
        moment = seconds * rng.uniform(0.6 if rng.random() < 0.7 else 0.0, 1.1)

        def kill(child: int, moment: float = moment, number: int = number) -> None:
            time.sleep(moment)
            os.kill(child, number)

        code = forked(lambda: main(command), kill)
        said = {
            f"exit code {code}: {last_line()}": code not in usual[number],
            "half-written": bool(half_written(right, old)),
            "left": number != signal.SIGKILL and left(before, outputs),
        }
        for what in (what for what, true in said.items() if true):
            failures[f"{name}, {number.name}: {what}"] += 1
            if os.environ.get("ATTACK_KEEP"):
                print(name, number.name, what, left(before, outputs), flush=True)
                print(Path("stderr.txt").read_text(), flush=True)
    prepare(command, outputs)
    if any(path.startswith(".writing-") for path in os.listdir()):
        failures[f"{name}: temporary files stay after the next write"] += 1
    remove(*outputs)


def after_full(code: int, right: dict[str, bytes], old: dict[str, bytes]) -> str:
    """What is wrong after there was no room: one sentence, nothing half-written, nothing left."""
    lines = Path("stderr.txt").read_text().strip().splitlines()
    if code not in (0, 1) or (code == 1 and not lines[-1:][0].startswith("ntkfill: ")):
        return f"exit code {code}: {lines[-1:]}"
    if half_written(right, {} if code == 0 else old):
        return "half-written"
    return "left" if any(path.startswith(".writing-") for path in os.listdir()) else ""


def most_bytes(right: dict[str, object]) -> int:
    """Of the largest file."""
    contents = [x.values() if isinstance(x, dict) else [x] for x in right.values()]
    return max(len(content) for each in contents for content in each)  # type: ignore[arg-type]


def attack_file_size(tries: int, seed: int) -> tuple[int, Failures]:
    """RLIMIT_FSIZE below the size of what is written."""
    rng, failures = np.random.default_rng(seed), Failures()
    for name, (command, outputs) in WRITERS.items():
        right, _ = prepare(command, outputs)
        for _ in range(tries):
            remove(*outputs)
            old = write_old(outputs)
            size = int(rng.integers(most_bytes(right)))

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
    """A disk of 4 MB with a few pages left; nothing is tried where none can be mounted."""
    rng, failures, here = np.random.default_rng(seed), Failures(), Path.cwd()
    disk = here / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(disk)]
    if not shutil.which("mount") or subprocess.run(mount, capture_output=True).returncode:
        disk.rmdir()
        return 0, failures
    cache = os.environ["NTKFILL_CACHE"]
    try:
        for path in here.iterdir():
            if path != disk:
                copy(path, disk / path.name)
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
    make_container_bombs(many)
    names = ("bomb.tif", "bomb.png", "bomb.npy", "bomb.nii.gz", "bomb.fits", "bomb.nc")
    images = [*names, "bomb.zarr", "bomb-axis.zarr", "bomb.mkv"]
    screens = ["bomb.npz", "nothing.npz", "bomb.gctx", "bomb.h5ad", "bomb.parquet"]
    return [
        *(["inpaint", name, *INPAINT, "out.npy"] for name in images),
        *(["inpaint", "in.png", "--mask", name, "-o", "out.png"] for name in images),
        *(["screen", "complete", name, "-o", "out.csv"] for name in screens),
        ["impute", "bomb.parquet", "-o", "out.csv"],
        ["load", "saved-bomb.npz"],
        ["load", "model-bomb.npz"],
    ]


def make_container_bombs(many: int) -> None:
    """The same as scientific containers: what was never stored, or is all zeros."""
    header = nibabel.Nifti1Header()
    header.set_data_shape((many, many, 8))
    header.set_data_dtype(np.uint8)
    header["magic"], header["vox_offset"] = b"n+1", 352
    with gzip.open("bomb.nii.gz", "wb", compresslevel=1) as file:
        file.write(header.binaryblock + bytes(4))
        for _ in range(8):
            file.write(bytes(many**2))
    with open("bomb.fits", "wb") as file:
        file.write(
            fits.Header(
                {"SIMPLE": True, "BITPIX": -64, "NAXIS": 2, "NAXIS1": 4 * many, "NAXIS2": many}
            )
            .tostring()
            .encode()
        )
        file.truncate(2880 + 8 * 4 * many**2 + 2880)
    with h5py.File("bomb.nc", "w") as file:
        file.create_dataset("image", (many, 4 * many), "f8", chunks=True)
    zarr.create_array("bomb.zarr", shape=(many, 4 * many), chunks=(many, many), dtype="f8")
    group = zarr.create_group("bomb-axis.zarr")
    for name, shape in {"image": (4, 4), "x": (many**2 * 4,)}.items():
        axes = ("y", "x")[-len(shape) :]
        group.create_array(name, shape=shape, chunks=shape, dtype="f8", dimension_names=axes)
    with av.open("bomb.mkv", "w") as file:
        stream = file.add_stream("ffv1", rate=25)
        stream.height = stream.width = many // 2
        stream.pix_fmt = "gray"
        frame = av.VideoFrame.from_ndarray(np.zeros((many // 2, many // 2), np.uint8), "gray")
        for _ in range(64):
            file.mux(stream.encode(frame))
        file.mux(stream.encode())
    shutil.copy("model.npz", "model-bomb.npz")
    parts = zipfile.ZipFile("model-bomb.npz", "a", zipfile.ZIP_DEFLATED)
    with parts, parts.open("more.npy", "w") as member:
        np.lib.format.write_array(member, np.zeros((8, many, many), np.uint8))


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
                    (Recommender if "model" in command[1] else Inpainter).load(command[1])
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
    add("--only", nargs="+", metavar="ROW", help="rows of the table, or 'files', 'kills'")
    given = parser.parse_args()
    tries, kills, seed = given.tries, given.kills, given.seed

    def files(piece: int) -> tuple[int, Failures]:
        return attack_readers(tries // PIECES, seed + piece)

    rows: dict[str, Callable[[], tuple[int, Failures]]] = {
        **{f"files {k}": functools.partial(files, k) for k in range(PIECES)},
        "page": lambda: attack_page(tries // 10, seed),
        "models": lambda: attack_load(tries // 10, seed),
        "cache": lambda: attack_cache(tries // 10, seed),
        "unfinished": lambda: attack_unfinished(tries // 10, seed),
        "bombs": attack_bombs,
        **{f"kills, {x}": functools.partial(attack_kills, kills, seed, x) for x in WRITERS},
        "file-size": lambda: attack_file_size(given.full, seed),
        "full-disk": lambda: attack_full_disk(given.full, seed),
    }
    asked = set(given.only or rows)
    failed = 0
    with scene():
        print(f"{'':26}{'tried':>8}{'failed':>8}{'seconds':>9}")
        for name in (x for x in rows if {x, x.split()[0].strip(",")} & asked):
            started = time.perf_counter()
            tried, failures = rows[name]()
            seconds = time.perf_counter() - started
            print(f"{name:26}{tried:>8}{failures.total():>8}{seconds:>9.1f}", flush=True)
            for said, count in failures.most_common(20):
                print(f"    {count:>5} {said}", flush=True)
            failed += failures.total()
            if tries >= 10_000 and kills >= 200:
                keep(name, {"tried": tried, "failed": failures.total(), "seconds": seconds}, rows)
    return not failed


def keep(name: str, figures: dict[str, Any], rows: Iterable[str]) -> None:
    """Write a row of the whole attack at once: the rest may follow in another process."""
    import harness  # beside this script

    place = harness.RESULTS / "attack.json"
    found = json.loads(place.read_text())["figures"]
    found[name] = {**figures, "commit": harness.commit()[:7]}
    found = {each: found[each] for each in rows if each in found}
    whole = set(found) == set(rows) and not any(row["failed"] for row in found.values())
    harness.write("attack", CLAIM, found, whole)


if __name__ == "__main__":
    sys.exit(not attack())
