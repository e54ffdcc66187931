"""Files are written whole or not at all, whatever happens; nothing else is overwritten."""

import os
import signal
import stat
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from ntkfill import InputError, cli
from ntkfill.cli import main
from ntkfill.cli.common import DONE, FAILED, INTERRUPTED, TERMINATED
from ntkfill.io import containers, files, images
from ntkfill.io.files import replacing, replacing_folder, undisturbed

posix = pytest.mark.skipif(os.name == "nt", reason="modes, owners and pipes")
root = pytest.mark.skipif(os.name == "nt" or os.getuid() != 0, reason="needs another owner")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def write(path, text="new", **options):
    with replacing(Path(path), **options) as draft:
        draft.write_text(text)


@posix
def test_modes(umask):
    write("out.txt")
    assert Path("out.txt").stat().st_mode & 0o777 == 0o644
    for mode in (0o600, 0o664, 0o755):
        os.chmod("out.txt", mode)
        with replacing(Path("out.txt")) as draft:
            assert draft.stat().st_mode & 0o077 & ~mode == 0  # not even while it is written
        assert Path("out.txt").stat().st_mode & 0o777 == mode


@root
def test_owners():
    write("out.txt")
    os.chown("out.txt", 4321, 1234)
    write("out.txt")
    found = Path("out.txt").stat()
    assert (found.st_uid, found.st_gid) == (4321, 1234)


@posix
@pytest.mark.parametrize("link", [False, True])
@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_devices_and_pipes_are_not_replaced(kind, link):
    path = Path("out.csv")
    if kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to("/dev/null")
    if link:
        path.rename("real.csv")
        path.symlink_to("real.csv")
    Path("t.csv").write_text("a,b\n1,2\n,3\n4,5\n")
    for option in (["-o", "out.csv"], ["-o", "other.csv", "--std", "out.csv"]):
        assert main(["impute", "t.csv", *option]) == FAILED
    assert not Path("other.csv").exists()
    with pytest.raises(InputError, match="device or a pipe"):
        write(path)
    mode = path.stat().st_mode
    assert stat.S_ISFIFO(mode) if kind == "pipe" else stat.S_ISCHR(mode)


@posix
def test_links_are_followed_or_replaced():
    Path("real.txt").write_text("old")
    Path("link.txt").symlink_to("real.txt")
    write("link.txt")
    assert (Path("link.txt").is_symlink(), Path("real.txt").read_text()) == (True, "new")
    write("link.txt", "newer", follow=False)
    assert (Path("link.txt").is_symlink(), Path("real.txt").read_text()) == (False, "new")


@posix
@pytest.mark.parametrize("follow", [True, False])
def test_a_link_that_is_planted_where_a_file_is_made_is_not_followed(follow, monkeypatch):
    monkeypatch.setattr("ntkfill.io.files.secrets.token_hex", lambda _: "guessed")
    Path("mine.txt").write_text("mine")
    Path(".writing-guessed.txt").symlink_to("mine.txt")
    with pytest.raises(InputError, match="File exists"):
        write("out.txt", follow=follow)
    assert Path("mine.txt").read_text() == "mine"
    assert not Path("out.txt").exists()


def test_data_are_on_disk_before_the_name(monkeypatch):
    done = []
    sync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda *a: (done.append("sync"), sync(*a))[1])
    monkeypatch.setattr(os, "replace", lambda *a: (done.append("replace"), replace(*a))[1])
    write("out.txt")
    assert done[:2] == ["sync", "replace"]


@posix
def test_files_of_dead_writers_are_deleted_and_of_living_ones_kept():
    Path(".writing-dead.txt").write_text("half")
    Path(".writing-link.txt").symlink_to("elsewhere")
    with replacing(Path("out.txt")) as draft:
        draft.write_text("slow")
        write("other.txt")
        assert draft.read_text() == "slow"
    assert sorted(os.listdir()) == [".writing-link.txt", "other.txt", "out.txt"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError, OSError(28, "No space left")])
def test_failures_leave_nothing(error):
    Path("out.txt").write_text("old")

    def fail():
        with replacing(Path("out.txt")) as draft:
            draft.write_text("half")
            raise error

    with pytest.raises(InputError if isinstance(error, OSError) else error):
        fail()
    assert (os.listdir(), Path("out.txt").read_text()) == (["out.txt"], "old")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_interrupted_at_every_line():
    """What is there is whole, and nothing else is left."""
    for k in range(1000):
        left = k

        def interrupt(frame, event, _):
            nonlocal left
            if frame.f_code.co_filename != files.__file__:
                return None
            left -= event == "line"
            if event == "line" and left < 0:
                sys.settrace(None)
                raise KeyboardInterrupt
            return interrupt

        Path("out.txt").write_text("old")
        sys.settrace(interrupt)
        try:
            write("out.txt")
        except KeyboardInterrupt:
            pass
        finally:
            sys.settrace(None)
        assert os.listdir() == ["out.txt"], k
        assert Path("out.txt").read_text() in ("old", "new")
        if left >= 0:
            break
    assert 30 < k < 1000


@pytest.mark.sampled
@posix
@pytest.mark.parametrize("suffix", [".npy", ".tif", ".jpg", ".png"])
@pytest.mark.parametrize("short", [1, 60, 600])
def test_the_last_bytes_do_not_fit(attack, suffix, short):
    """NumPy's and Pillow's own writers say nothing then."""
    resource = pytest.importorskip("resource")
    pixels = np.random.default_rng(0).integers(0, 255, (50, 60), np.uint8)
    path, image = Path(f"out{suffix}"), images.Stored(pixels, None)
    images.write(path, image)
    whole = path.read_bytes()

    def action():
        most = resource.RLIM_INFINITY
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(whole) - short, most))
        try:
            images.write(path, image)
        except InputError:
            return 1
        return 0

    assert attack.forked(action) == 1
    assert path.read_bytes() == whole


SCREEN = "cell,drug,g,h\n" + "".join(
    f"{c},{d},{k},{k * k}\n" for k, (c, d) in enumerate((c, d) for c in "AB" for d in "xyzw")
)
EVALUATE = "screen evaluate s.csv --methods cell-mean --folds 2 --rounds 1 --report r.html"
UNNAMED = {
    "JSON beside a report": (EVALUATE, "r.json"),
    "an image in a folder": ("inpaint in.npy -o out --network hourglass(1)", "out/in.npy"),
    "demo": ("demo -o out", "out/truth.png"),
    "screen demo": ("screen demo -o out", "out/ranked.csv"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", UNNAMED)
def test_only_what_is_named_is_overwritten_without_force(name, capsys, monkeypatch):
    command, place = UNNAMED[name]
    Path("s.csv").write_text(SCREEN)
    Path("in.npy").touch()
    Path("out").mkdir()
    Path(place).write_text("mine")
    Path("r.html").write_text("named")
    before = {path: path.read_bytes() for path in Path().rglob("*.*")}
    assert main(command.split()) == FAILED
    assert f"{place} exists. Try: --force" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in Path().rglob("*.*")} == before
    if "JSON" in name:
        assert main([*command.split(), "--force", "--quiet"]) == DONE
        assert Path(place).read_text().startswith("{")


@pytest.mark.slow
@posix
def test_terminated_while_writing(attack, monkeypatch):
    Path("t.csv").write_text("a,b\n1,2\n,3\n4,5\n")
    Path("out.csv").write_text("old")

    def print_half(file, *_):
        file.write("half")
        Path("begun").touch()
        time.sleep(60)

    def terminate(child):
        while not Path("begun").exists():
            time.sleep(0.01)
        os.kill(child, signal.SIGTERM)

    monkeypatch.setattr("ntkfill.io.text_tables.print_table", print_half)
    code = attack.forked(lambda: main(["impute", "t.csv", "-o", "out.csv"]), terminate)
    assert code == TERMINATED
    last = Path("stderr.txt").read_text().splitlines()[-1]
    assert last == "ntkfill: terminated; no file was half-written."
    assert sorted(os.listdir()) == ["begun", "out.csv", "stderr.txt", "t.csv"]
    assert Path("out.csv").read_text() == "old"


@pytest.mark.parametrize("error", [RuntimeError("no room"), AttributeError("closed"), OSError(28)])
@pytest.mark.parametrize("writer", [replacing, replacing_folder])
def test_whatever_a_library_raises_is_a_sentence(writer, error):
    path = Path("out.zarr" if writer is replacing_folder else "out.nc")
    with pytest.raises(InputError, match=f"{path} cannot be written"), writer(path):
        raise error
    assert not list(Path().iterdir())


@pytest.mark.skipif(os.name == "nt", reason="fork")
def test_folders_of_dead_processes_are_swept():
    child = os.fork()
    if not child:
        with replacing_folder(Path("out.zarr")) as draft:
            (draft / "part").write_text("half")
            os._exit(0)
    os.waitpid(child, 0)
    assert [path.name[:9] for path in Path().iterdir()] == [".writing-"]
    with replacing_folder(Path("alive.zarr")) as living:
        write("out.txt")
        assert sorted(path.name for path in Path().iterdir()) == [living.name, "out.txt"]
    assert sorted(path.name for path in Path().iterdir()) == ["alive.zarr", "out.txt"]


SIGNALS = {signal.SIGINT: (INTERRUPTED, "interrupted"), signal.SIGTERM: (TERMINATED, "terminated")}


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("error", [None, ImportError("numpy"), InputError("it cannot be read")])
def test_a_signal_ends_a_command_whatever_a_library_makes_of_it(number, error, monkeypatch, capsys):
    """Imports in C make an ImportError of any exception; None: just after the work."""

    def late(options):
        try:
            signal.raise_signal(number)
        except BaseException:
            if error is None:
                raise
            raise error from None

    before = signal.getsignal(number)
    monkeypatch.setattr(cli, "_run", late)
    code, said = SIGNALS[number]
    assert main(["kernel", "list"]) == code
    assert capsys.readouterr().err == f"ntkfill: {said}; no file was half-written.\n"
    assert signal.getsignal(number) is before


@pytest.mark.parametrize("error", [ZeroDivisionError, InputError])
def test_without_a_signal_errors_are_themselves(error, monkeypatch):
    def fail(options):
        raise error("wrong")

    monkeypatch.setattr(cli, "_run", fail)
    if error is InputError:
        assert main(["kernel", "list"]) == FAILED
    else:
        with pytest.raises(ZeroDivisionError):
            main(["kernel", "list"])


def test_a_folder_that_is_made_again_is_deleted_again(monkeypatch):
    looks = []

    def wait(_):  # a thread of a library writes once more after two looks at whether it is gone
        looks.append(draft.exists())
        if len(looks) in (3, 6):
            draft.mkdir()

    monkeypatch.setattr("ntkfill.io.files.time.sleep", wait)
    with pytest.raises(InputError), replacing_folder(Path("out.zarr")) as draft:
        raise OSError(28)
    assert len(looks) > 6
    assert not list(Path().iterdir())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_wait_until_a_library_has_written(number):
    class Stopped(BaseException):
        pass

    def stop(*_):
        raise Stopped

    before, done = signal.signal(number, stop), []
    try:
        with pytest.raises(Stopped), undisturbed():  # noqa: PT012
            signal.raise_signal(number)
            signal.raise_signal(number)
            done.append("all of it")
        assert done == ["all of it"]
        assert signal.getsignal(number) is stop
        with pytest.raises(Stopped):
            signal.raise_signal(number)
    finally:
        signal.signal(number, before)


@posix
@pytest.mark.parametrize("name", ["out.nc", "out.zarr"])
def test_containers_are_written_undisturbed(name, monkeypatch):
    """A signal in the midst of xarray left its locks taken: closing the file waited for ever."""
    xarray = pytest.importorskip("xarray")
    pytest.importorskip({"out.nc": "netCDF4", "out.zarr": "zarr"}[name])
    array = xarray.DataArray(np.arange(12.0).reshape(3, 4), dims=("y", "x"), name="a")
    data = xarray.Dataset({"a": array})
    Path("source").write_bytes(b"CDF\1")
    data.encoding["source"] = "source"
    writer, said = ("to_netcdf" if name.endswith("nc") else "to_zarr"), []
    usual = getattr(xarray.Dataset, writer)

    def disturbed(self, *args, **options):
        signal.raise_signal(signal.SIGINT)
        said.append("goes on")
        return usual(self, *args, **options)

    monkeypatch.setattr(xarray.Dataset, writer, disturbed)
    with pytest.raises(KeyboardInterrupt):
        containers.write(Path(name), Path(name).suffix, np.ones((3, 4)), (data, "a"))
    assert said == ["goes on"]
    assert os.listdir() == ["source"]
