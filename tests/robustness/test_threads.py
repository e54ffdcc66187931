"""The same bytes of every public result for one and for four threads.

As a program, it prints the digest of each result: `test_threads.py THREADS SIZE`.
"""

import hashlib
import json
import os
import subprocess
import sys
import warnings
from dataclasses import fields, is_dataclass

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

import ntkfill
from ntkfill import Inpainter, NTKImputer, Observed, Uncertainty, inpaint, nn, screens, solvers
from ntkfill.priors import Features
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


def drugs(size):
    made = screens.simulate(cells=5 * size, drugs=8 * size, genes=20 * size, random_state=2)
    methods = {
        "NTK": screens.NTK(),
        "matrix normal": screens.NTK(screens.MatrixNormal()),
        "additive": screens.Additive(),
        "cell mean": screens.CellMean(),
        "DNPP": screens.DNPP(),
        "FaLRTC": screens.FaLRTC(),
    }
    for name, method in methods.items():
        done = screens.complete(made.screen, method, interval=0.9)
        yield f"{name}, completed", done
        yield f"{name}, ranked", screens.rank(done, made.signature)
    scores = screens.evaluate(made.screen, methods, screens.KFold(3, rounds=1))
    yield "evaluated", [scores.mean(name) for name in methods]


def kernels(size):
    rng = np.random.default_rng(3)
    points = rng.normal(size=(150 * size, 40 * size))
    yield "dense kernel", nn.fully_connected(2).between(points)
    yield "other kernel", nn.fully_connected(2).between(points[:50], points, kind="nngp")
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


PARTS = (images, tables, drugs, kernels)


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
        command = [sys.executable, __file__, part.__name__, threads]
        done = subprocess.run(command, env=os.environ | many, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        found.append(json.loads(done.stdout))
    assert found[0] == found[1]


def test_a_digest_sees_one_bit():
    result = ntkfill.Filled(np.ones(3), None)
    other = ntkfill.Filled(np.array([1.0, 1.0, np.nextafter(1, 2)]), None)
    assert digest(result) == digest(ntkfill.Filled(np.ones(3), None)) != digest(other)


if __name__ == "__main__":
    chosen = next(part for part in PARTS if part.__name__ == sys.argv[1])
    print(json.dumps(digests(chosen, int(sys.argv[2]), LARGE)))
