"""The same bytes of every public result for one and for four threads.

As a program, it prints the digest of each result: `test_threads.py THREADS SIZE`.
"""

import ast
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import warnings
from dataclasses import fields, is_dataclass
from pathlib import Path

import numpy as np
import public
import pytest
from threadpoolctl import threadpool_limits

import ntkfill
from ntkfill import (
    Inpainter,
    NTKImputer,
    Observed,
    Recommender,
    Uncertainty,
    inpaint,
    nn,
    ratings,
    screens,
    solvers,
)
from ntkfill.grids import model, plan, selection, uncertainty, windows
from ntkfill.priors import Features
from ntkfill.runtime import resources
from ntkfill.screens.features import OneHot, Stack
from ntkfill.tables import chained, stack
from ntkfill.uncertainty import Posterior

SMALL, LARGE = 1, 4  # LARGE: so large that BLAS uses several threads


def digest(result):
    """Of arrays, numbers and dataclasses of them; not of seconds."""
    found = hashlib.sha256()

    def add(part):
        if is_dataclass(part):
            for field in fields(part):
                if field.name not in ("seconds", "plan", "network"):
                    add(getattr(part, field.name))
        elif isinstance(part, list | tuple):
            for each in part:
                add(each)
        elif isinstance(part, dict):
            add(list(part.items()))
        elif isinstance(part, np.ndarray) and part.dtype != object:
            found.update(part.tobytes())
        else:
            found.update(repr(part).encode())

    add(result)
    return found.hexdigest()


def images(size):
    rng = np.random.default_rng(0)
    side = 16 if size == SMALL else 96
    image = np.sin(np.add.outer(np.arange(side), np.arange(side)) / 5)
    image += 0.2 * rng.normal(size=image.shape)
    mask, net = rng.random(image.shape) < 0.3, nn.hourglass(2)
    sure = Uncertainty(samples=8)
    yield "inpaint", inpaint(image, mask, network=net, cache=None)
    yield "auto", Inpainter(cache=None).fill(image, mask, interval=0.9, uncertainty=sure)
    colours = np.stack([image, image**2, 1 - image], -1)
    colours[rng.random(colours.shape) < 0.1] = np.nan
    channels = Inpainter(net, channel_axis=-1, cache=None)
    yield "channels", channels.fill(colours, interval=0.9, uncertainty=sure)
    refined = Inpainter(net, refine="patches", cache=None)
    yield "refined", refined.fill(image, mask, interval=0.9, uncertainty=sure)
    yield "refined, explained", refined.fit(mask=mask).explain(image, tuple(np.argwhere(mask)[3]))
    exact = Inpainter(net, shift_average=False, cache=None)
    yield "exact kernel", exact.fill(image, mask, return_std=True, uncertainty=sure)
    part = np.s_[: 16 * min(size, 2), : 16 * min(size, 2)]
    prior = Features(np.stack(np.indices(image[part].shape)) / 16)
    direct = {"prior": prior, "boundary": "wrap", "shift_average": False, "cache": None}
    yield "direct", Inpainter(net, **direct).fill(image[part], mask[part], return_std=True)
    fitted = Inpainter(net, cache=None).fit(mask=mask)
    at = tuple(int(x) for x in np.argwhere(mask)[5])
    yield "transform", fitted.transform(image)
    yield "std", fitted.std(image, uncertainty=sure)
    yield "exact std", fitted.std(image, [at, (0, 0)], sure)
    yield "explain", fitted.explain(image, at)
    yield "weights", fitted.weights(at)
    yield "kernel row", fitted.kernel_row(at)
    yield from large_images(image, mask)


def large_images(image, mask):
    """Splines; windows, and tiles in a file, of what counts as large here."""
    for spline in (nn.Spline(1), nn.Spline(2), nn.Spline(3, axis=0)):
        members = (nn.Member(nn.hourglass(1), weight=0), nn.Member(spline, weight=1))
        yield f"{spline!r}", inpaint(image, mask, network=nn.Mixture(members), cache=None)
    wide = np.tile(image, (1, 4096 // image.shape[1]))[:, :160].repeat(4, axis=0)[:96]
    few = np.random.default_rng(1).random(wide.shape) < 0.01
    with pytest.MonkeyPatch.context() as patch:
        for module in (windows, model, plan, selection, uncertainty):
            patch.setattr(module, "LARGE", 1000)
        near = Inpainter(nn.hourglass(2), cache=None)
        yield "windows", near.fill(wide, few, interval=0.9)
        assert near.model_.groups[0].windows is not None
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "filled.npy"
        workers = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 2
        near.fill_to_file(wide, path, few, tile=40, workers=workers)
        yield "tiles", np.load(path)


def tables(size):
    rng = np.random.default_rng(1)
    n, m = (24, 8) if size == SMALL else (150, 24)
    rows, columns = rng.normal(size=(n, 3)), rng.normal(size=(m, 3))
    table = rows @ rng.normal(size=(3, 3)) @ columns.T + 0.1 * rng.normal(size=(n, m))
    some = np.where(rng.random(table.shape) < 0.2, np.nan, table)
    sides = {
        "plain": (some[:, :6], {}),
        "row features": (np.where(np.arange(n)[:, None] % 5, table, np.nan), {"row_features": 1}),
        "column features": (np.where(np.arange(m) % 5, some, np.nan), {"column_features": 1}),
        "both": (some, {"row_features": 1, "column_features": 1}),
    }
    yield "fitted", NTKImputer(max_iter=1).fit_transform(some[:20, :3])
    for name, (given, kinds) in sides.items():
        options = {kind: rows if kind == "row_features" else columns for kind in kinds}
        # A selection takes seconds: where that is long, in one fit, not in each of a calibration.
        ridge = 0.1 if (size, name) == (LARGE, "both") else "loo"
        if size == LARGE:
            for network in (None, "auto") if ridge == "loo" else (None,):
                selected = NTKImputer(network=network, max_iter=2, **options)
                yield f"{name}, {network}", selected.fit_transform(given)
        imputer, sure = NTKImputer(max_iter=2, ridge=ridge, **options), Uncertainty(samples=8)
        yield name, imputer.impute(given, interval=0.9, uncertainty=sure)
        new = {"row_features": rows[:9] + 0.1} if "row_features" in kinds else {}
        yield f"{name}, new rows", imputer.transform(given[:9] + 0.1, **new)
        row, column = np.argwhere(np.isnan(given))[0]
        yield f"{name}, explained", imputer.explain(int(row), int(column))


def long_tables(size):
    """Tables whose columns are predicted on landmarks, of what counts as long here; refined chains,
    and categories."""
    rng = np.random.default_rng(4)
    table = rng.normal(size=(300 * size, 3)) @ rng.normal(size=(3, 5))
    table[rng.random(table.shape) < 0.1] = np.nan
    with pytest.MonkeyPatch.context() as patch:
        for module in (chained, stack):
            for name, value in {"EXACT": 150, "LANDMARKS": 60, "SETTLING": 200}.items():
                patch.setattr(module, name, value, raising=False)
        imputer = NTKImputer(max_iter=2)
        yield "long", imputer.impute(table, return_std=True)
        yield "long, new rows", imputer.transform(table[:9])


def rated(size):
    made = ratings.simulate(users=60 * size, items=40 * size, count=900 * size, rank=2)
    given = made.users, made.items, made.ratings
    vectors = {item: np.array([k % 3, k % 5.0]) for k, item in enumerate(sorted(set(made.items)))}
    for name, features in {"ratings": None, "ratings, features": vectors}.items():
        model = Recommender(features, max_iter=2).fit(*given)
        user, item = made.users[0], made.items[0]
        yield name, model.predict(made.users[:50], made.items[:50][::-1], return_std=True)
        yield f"{name}, recommended", model.recommend(user)
        yield f"{name}, similar", model.similar_items(item)
        yield f"{name}, explained", model.explain(user, item)
    yield "ratings, evaluated", ratings.evaluate(Recommender(max_iter=1, noise=0.3), *given)
    yield "propensities", ratings.propensities(made.ratings.round(), made.ratings[:20].round())


def drugs(size):
    made = screens.simulate(cells=5 * size, drugs=8 * size, genes=20 * size, random_state=2)
    methods = {
        "NTK": screens.NTK(),
        "matrix normal": screens.NTK(screens.MatrixNormal()),
        "additive": screens.Additive(),
        "cell mean": screens.CellMean(),
        "DNPP": screens.DNPP(),
        "FaLRTC": screens.FaLRTC(),
        "low rank": screens.LowRank(rank=4),
        "interpolation": screens.Interpolation(),
    }
    for name, method in methods.items():
        done = screens.complete(made.screen, method, interval=0.9)
        yield f"{name}, completed", done
        yield f"{name}, ranked", screens.rank(done, made.signature)
    scores = screens.evaluate(made.screen, methods, screens.KFold(3, rounds=1))
    yield "evaluated", [scores.mean(name) for name in methods]
    train, new = made.screen.known, np.array([["another", made.screen.drugs[0]]])
    folds = np.arange(len(train))[:, None] % 3
    yield "folds", screens.NTK(Stack(OneHot("cell"), OneHot("drug"))).predict_folds(train, folds)
    for method in (screens.ColdStart(), screens.Interpolation(), screens.NTK()):
        yield f"new cell, {type(method).__name__}", method.predict(train, new)
    yield "calibration", screens.calibration(screens.Additive(), made.screen, 0.9)


def kernels(size):
    rng = np.random.default_rng(3)
    points = rng.normal(size=(150 * size, 40 * size))
    yield "dense kernel", nn.fully_connected(2).between(points)
    yield "other kernel", nn.fully_connected(2).between(points[:50], points, kind="nngp")
    yield "features of a kernel", nn.kernel_features(nn.fully_connected(2), points)
    yield "whole kernels", [getattr(nn.hourglass(1), kind)((12, 12)) for kind in ("ntk", "nngp")]
    shape = (16 * size, 16 * size)
    known = rng.random(np.prod(shape)) < 0.4
    seen = Observed(np.where(known, rng.normal(size=known.size), np.nan)[:, None], known)
    for name, kernel in {
        "stationary": nn.hourglass(2).kernel(shape, shift_average=True),
        "periodic": nn.hourglass(2).kernel(shape),
    }.items():
        yield f"{name} kernel", kernel.block(np.arange(40), np.arange(60))
        for solver in (solvers.CG(1e-2), solvers.Cholesky(1e-2)):
            if size == LARGE and isinstance(solver, solvers.Cholesky):
                continue  # test_solvers.py
            kind = type(solver).__name__
            yield f"{name}, {kind}", ntkfill.complete(seen, kernel, solver).values
            errors = Posterior(kernel, solver.factor(kernel, known), 0.1, centred=True)
            yield f"{name}, {kind}, exact", errors.variances(np.arange(20))
            yield f"{name}, {kind}, sampled", errors.sample(np.arange(20), 8, 0)
            yield f"{name}, {kind}, covariance", errors.covariance(np.arange(5))
            if size == SMALL:
                yield f"{name}, {kind}, squares", errors.expected_squares()
            done = ntkfill.complete(seen, kernel, solver)
            yield f"{name}, {kind}, weights", done.weights(int(np.flatnonzero(~known)[0]))


PARTS = (images, tables, long_tables, rated, drugs, kernels)


def digests(part, threads, size):
    """Of every result, with so many threads of BLAS and so many cores."""
    with pytest.MonkeyPatch.context() as patch, threadpool_limits(threads):
        patch.setattr(os, "sched_getaffinity", lambda _: set(range(threads)), raising=False)
        patch.setattr(os, "cpu_count", lambda: threads)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return {name: digest(result) for name, result in part(size)}


@pytest.mark.slow
@pytest.mark.parametrize("part", PARTS)
def test_small_results_for_any_number_of_threads(part):
    assert digests(part, 1, SMALL) == digests(part, 4, SMALL)


@pytest.mark.slow
@pytest.mark.parametrize("part", PARTS)
def test_large_results_for_any_number_of_threads(part):
    found = []
    for threads in ("1", "4"):
        many = {f"{name}_NUM_THREADS": threads for name in ("OMP", "OPENBLAS", "MKL")}
        many["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))  # it imports `public`, too
        command = [sys.executable, __file__, part.__name__, threads]
        done = subprocess.run(command, env=os.environ | many, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        found.append(json.loads(done.stdout))
    assert found[0] == found[1]


# Called by what is above, or names, shares and copies of what it returns.
OTHERS = {
    *("Explanation.largest", "Explanation.radius", "Explanation.as_array", "Observed.patterns"),
    *("RatingExplanation.largest", "SimulatedRatings.truth", "NTKImputer.get_feature_names_out"),
    *("NTK.groups", "Imputation.features", "ByDrugCount.predict", "Evaluation.mean"),
    *("screens.read_signature", "screens.to_anndata", "screens.to_frame"),
}


@pytest.fixture(scope="module")
def called():
    """Functions, by their code, that made the small results, and whether any call of them found
    BLAS with several threads: Python itself tells."""
    found = {}

    def record(frame, event, _):
        if event == "call":
            found[frame.f_code] = found.get(frame.f_code, False) or not resources._limit["users"]

    for part in PARTS:
        sys.setprofile(record)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                list(part(SMALL))
        finally:
            sys.setprofile(None)
    return found


@pytest.mark.slow
def test_every_public_result_is_among_these(called):
    missed = {name for name, each in public.results().items() if code(each) not in called}
    assert missed <= OTHERS


@pytest.mark.slow
def test_matrices_are_multiplied_in_one_thread_of_blas(called):
    """Whether other threads give other bytes depends on the processor; this does not."""
    multiply = multiplying()
    places = {(each.co_filename, each.co_firstlineno): each for each in called}
    run = {place: places[place] for place in multiply if place in places}
    assert len(run) > 50
    several = [each.co_name for each in run.values() if called[each]]
    assert several == []


FACTORING = {
    *("eigh", "eigvalsh", "inv", "pinv", "svd", "qr", "lstsq", "nnls", "solve_triangular"),
    *("cho_solve", "matmul", "vdot"),
}


def multiplying():
    """File and first line of every function that multiplies, factors or solves by NumPy or SciPy
    without limiting the threads itself."""
    found = set()
    for path in Path(ntkfill.__file__).parent.rglob("*.py"):
        for function in ast.walk(ast.parse(path.read_text())):
            if isinstance(function, ast.FunctionDef):
                lines = [function.lineno, *(each.lineno for each in function.decorator_list)]
                if any(map(is_product, unlimited(function))):
                    found.add((str(path), min(lines)))
    return found


def unlimited(node):
    """What is in a function, but not in functions in it, nor where the threads are limited."""
    if "single_blas_thread" in "".join(map(ast.dump, getattr(node, "decorator_list", []))):
        return
    for child in ast.iter_child_nodes(node):
        limited = isinstance(child, ast.With) and "single_blas_thread" in ast.dump(child.items[0])
        if not limited and not isinstance(child, ast.FunctionDef):
            yield child
            yield from unlimited(child)


def is_product(node):
    if isinstance(node, ast.BinOp | ast.AugAssign):
        return isinstance(node.op, ast.MatMult)
    name = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
    return name.startswith(("np.linalg.", "blas.", "lapack.")) or name.split(".")[-1] in FACTORING


def code(function):
    """What runs, also where it is decorated."""
    return getattr(function, "__wrapped__", function).__code__


def test_a_digest_sees_one_bit():
    result = ntkfill.Filled(np.ones(3), None)
    other = ntkfill.Filled(np.array([1.0, 1.0, np.nextafter(1, 2)]), None)
    assert digest(result) == digest(ntkfill.Filled(np.ones(3), None)) != digest(other)


if __name__ == "__main__":
    chosen = next(part for part in PARTS if part.__name__ == sys.argv[1])
    print(json.dumps(digests(chosen, int(sys.argv[2]), LARGE)))
