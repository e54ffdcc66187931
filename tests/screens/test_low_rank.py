"""The low-rank method against dense matrices, and completion to a file."""

import json
from pathlib import Path

import numpy as np
import pytest

from ntkfill import screens
from ntkfill.errors import InputError
from ntkfill.screens import completion
from ntkfill.screens.features import SideFeatures
from ntkfill.screens.methods import low_rank
from ntkfill.screens.methods.low_rank import FittedScreen, LowRank, Pairs, ScreenCovariance


def model_of(pairs: Pairs, contexts: int, drugs: int, rng: np.random.Generator) -> ScreenCovariance:
    root = rng.normal(size=(contexts, contexts))
    scales = 0.5 + rng.random(len(pairs.drug))
    factor, own = 0.5 * rng.normal(size=(drugs, 3)), 0.2 + rng.random(drugs)
    return ScreenCovariance(root @ root.T / contexts, factor, own, 0.3, scales)


def test_solve_and_predictions_are_those_of_dense_matrices() -> None:
    rng = np.random.default_rng(0)
    context, drug = (of[rng.permutation(60)[:35]] for of in np.divmod(np.arange(60), 12))
    pairs = Pairs.of(context, drug)
    model, y = model_of(pairs, 5, 12, rng), rng.normal(size=(35, 4))
    of_drugs = model.factor @ model.factor.T + np.diag(model.own)
    dense = model.contexts[np.ix_(pairs.context, pairs.context)]
    dense = dense * of_drugs[np.ix_(pairs.drug, pairs.drug)]
    expected = np.linalg.solve(dense + 0.3 * np.diag(model.scales), y)
    found, residual = model.solve(pairs, y, 1e-10)
    assert residual <= 1e-10
    np.testing.assert_allclose(found, expected, atol=1e-8)
    every = np.divmod(np.arange(60), 12)
    cross = model.contexts[np.ix_(every[0], pairs.context)] * of_drugs[np.ix_(every[1], pairs.drug)]
    predicted = FittedScreen.of(model, pairs, found.astype(np.float32)).at(*every)
    np.testing.assert_allclose(predicted, cross @ expected, atol=1e-4)


def test_expectation_maximisation_raises_the_likelihood() -> None:
    rng = np.random.default_rng(1)
    context, drug = (of[rng.permutation(200)[:120]] for of in np.divmod(np.arange(200), 40))
    pairs = Pairs.of(context, drug)
    root = np.linalg.cholesky(0.8 + 0.2 * np.eye(5))
    truth = np.einsum("cd,kdg->kcg", root, rng.normal(size=(40, 5, 50)))
    y = truth[pairs.drug, pairs.context] + 0.3 * rng.normal(size=(120, 50))

    def likelihood(model: ScreenCovariance) -> float:
        dense = model.contexts[np.ix_(pairs.context, pairs.context)]
        dense = dense * (pairs.drug[:, None] == pairs.drug) + model.noise * np.diag(model.scales)
        return float(-np.linalg.slogdet(dense)[1] - np.sum(y * np.linalg.solve(dense, y)) / 50)

    steps = [ScreenCovariance.learned(pairs, y, (5, 40), n) for n in (0, 1, 3, 30)]
    found = [likelihood(model) for model in steps]
    assert found == sorted(found)
    off = steps[-1].contexts[~np.eye(5, dtype=bool)].mean() / steps[-1].contexts.trace() * 5
    assert abs(off - 0.8) < 0.1


def scored(made: screens.Simulated, method: screens.Method) -> float:
    test = made.truth.take(~made.screen.measured)
    found = method.predict(made.screen.known, test.labels)
    return float(np.sqrt(np.mean(np.square(found - test.profiles))))


@pytest.mark.slow
def test_errors_are_near_those_of_the_exact_solve() -> None:
    made = screens.simulate(cells=10, drugs=60, genes=40)
    low, exact, additive = (
        scored(made, method) for method in (LowRank(rank=8), screens.NTK(), screens.Additive())
    )
    assert low < 1.15 * exact
    assert low < 0.7 * additive


@pytest.mark.slow
@pytest.mark.parametrize("telling", [True, False])
def test_new_drugs_by_their_features(telling: bool) -> None:
    rng = np.random.default_rng(0)
    features, cells, drugs = rng.normal(size=(60, 6)), 6, 60
    own = features if telling else rng.normal(size=features.shape)
    effects = own @ rng.normal(size=(6, 40))
    strength = 0.5 + rng.random(cells)
    truth = (strength[:, None, None] * effects).reshape(-1, 40)
    labels = [[f"c{c}", f"d{d}"] for c in range(cells) for d in range(drugs)]
    new = np.tile(np.arange(drugs) % 5 == 0, cells)
    noisy = truth + rng.normal(size=truth.shape)
    screen = screens.Screen(noisy, labels, [f"g{k}" for k in range(40)])
    sides = SideFeatures({f"d{d}": row for d, row in enumerate(features)}, "drug")
    errors = [
        np.square(method.predict(screen.take(~new), screen.labels[new]) - truth[new]).mean()
        for method in (LowRank(rank=6, features=sides), screens.CellMean())
    ]
    assert errors[0] < (0.7 if telling else 1.02) * errors[1]


@pytest.mark.slow
@pytest.mark.sampled
@pytest.mark.parametrize("name", ["all.npy", "all.zarr"])
def test_completion_to_a_file_can_be_resumed(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if name.endswith("zarr"):
        pytest.importorskip("zarr")
    for module in (completion, low_rank):
        monkeypatch.setattr(module, "BLOCK", 5)
    made = screens.simulate(cells=4, drugs=13, genes=6)
    path, written = tmp_path / name, []

    def stop(share: float) -> None:
        written.append(share)
        if len(written) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        screens.complete_to_file(made.screen, path, progress=stop)
    assert not path.exists()
    screens.complete_to_file(made.screen, path, resume=True, progress=written.append)
    assert len(written) == 3
    screens.complete_to_file(made.screen, tmp_path / "whole.npy")
    whole = np.load(tmp_path / "whole.npy")
    if name.endswith("zarr"):
        import zarr

        array = zarr.open_array(path, mode="r")
        names, found = dict(array.attrs), np.asarray(array[:])
    else:
        names, found = json.loads(path.with_suffix(".json").read_text()), np.load(path)
    np.testing.assert_array_equal(found, whole)
    at = [
        (names["drugs"].index(drug), names["contexts"].index(context))
        for context, drug in made.screen.known.labels.tolist()
    ]
    measured = made.screen.known.profiles.astype(np.float32)
    np.testing.assert_array_equal(found[tuple(np.transpose(at))], measured)


def test_parameters_are_checked() -> None:
    with pytest.raises(InputError, match="rank must be >= 1"):
        LowRank(rank=0)
    with pytest.raises(InputError, match="features must be by 'drug'"):
        LowRank(features=SideFeatures({"a": [1.0]}, "cell"))


@pytest.mark.slow
def test_standard_deviations_and_folds_as_of_other_methods() -> None:
    made = screens.simulate(cells=5, drugs=20, genes=10)
    done = screens.complete(made.screen, LowRank(rank=4), return_std=True, interval=0.9)
    missing = ~done.info.measured
    assert (done.std[missing] > 0).all()
    place = {tuple(row): k for k, row in enumerate(made.truth.labels.tolist())}
    truth = made.truth.profiles[[place[tuple(row)] for row in done.values.labels.tolist()]]
    assert done.interval is not None
    held = (done.interval.lower <= truth) & (truth <= done.interval.upper)
    assert held[missing].mean() > 0.85
    scores = screens.evaluate(
        made.screen, {"low rank": LowRank(rank=4), "mean": screens.CellMean()}, screens.KFold(4, 1)
    )
    assert scores.mean("low rank")["r"] > scores.mean("mean")["r"]
