"""No public function returns NaN or infinity where it promises numbers: it says what to try."""

import numpy as np
import public
import pytest

import ntkfill
from ntkfill import Inpainter, InputError, NTKImputer, Observed, Recommender, nn, screens
from ntkfill.kernels import DenseKernel
from ntkfill.ratings import evaluate, simulate
from ntkfill.screens.features import OneHot, Stack
from ntkfill.solvers import Cholesky
from ntkfill.uncertainty import Posterior

RNG = np.random.default_rng(0)
IMAGE, MASK = RNG.random((12, 12)), RNG.random((12, 12)) < 0.3
AT = tuple(int(k) for k in np.argwhere(MASK)[7])
TABLE = np.where(RNG.random((12, 5)) < 0.2, np.nan, RNG.normal(size=(12, 5)))
FEATURES = RNG.normal(size=(12, 2))
GAP = tuple(int(k) for k in np.argwhere(np.isnan(TABLE))[0])
RATINGS = simulate(users=20, items=10, count=90, rank=2)
MADE = screens.simulate(cells=4, drugs=6, genes=8, random_state=1)
NEW = MADE.screen.labels[:1]
UNHEARD = np.array([[MADE.screen.cells[0], "unheard of"]])
BROKEN = np.array([[1.0, np.nan], [1.0, 0.0]])


def nan(*shape):
    return lambda *_, **__: np.full(shape, np.nan)


def inpainter():
    return Inpainter(nn.hourglass(2), cache=None).fit(mask=MASK)


def imputer():
    return NTKImputer(row_features=FEATURES).fit(TABLE)


def recommender(broken=""):
    made = Recommender(noise=0.3, max_iter=1).fit(RATINGS.users, RATINGS.items, RATINGS.ratings)
    if broken:
        getattr(made._model, broken)[:] = np.nan
    return made


def correlated():
    made = recommender()
    made.covariance_.values[:] = np.nan
    return made


def posterior():
    kernel = DenseKernel(np.eye(2), (2,))
    factor = Cholesky().factor(kernel, np.array([True, False]))
    return Posterior(DenseKernel(np.full((2, 2), np.nan), (2,)), factor)


USER, ITEM = RATINGS.users[0], RATINGS.items[0]
PREDICT = "ntkfill.completion.Fit.predict"
# What is called; and what is broken, by its place and what stands there then.
CALLS = {
    "grids.inpaint": (lambda: ntkfill.inpaint(IMAGE, MASK, cache=None), PREDICT, nan(1, 1)),
    "Inpainter.fill": (lambda: inpainter().fill(IMAGE, MASK), PREDICT, nan(1, 1)),
    "Inpainter.transform": (lambda: inpainter().transform(IMAGE), PREDICT, nan(1, 1)),
    "Inpainter.std": (
        lambda: inpainter().std(IMAGE),
        "ntkfill.grids.uncertainty.GridUncertainty.std",
        nan(12, 12, 1),
    ),
    "Inpainter.weights": (
        lambda: inpainter().weights(AT),
        "ntkfill.grids.model.GridModel.weights",
        nan(12, 12),
    ),
    "Inpainter.kernel_row": (
        lambda: inpainter().kernel_row(AT),
        "ntkfill.grids.model.GridModel.kernel_row",
        nan(12, 12),
    ),
    "Inpainter.explain": (
        lambda: inpainter().explain(IMAGE, AT),
        "ntkfill.grids.model.GridModel.weights",
        nan(12, 12),
    ),
    "NTKImputer.fit_transform": (
        lambda: NTKImputer(row_features=FEATURES).fit_transform(TABLE),
        "ntkfill.tables.models.Regression.predict",
        nan(12, 5),
    ),
    "NTKImputer.transform": (
        lambda: imputer().transform(TABLE),
        "ntkfill.tables.models.Regression.predict",
        nan(12, 5),
    ),
    "NTKImputer.impute": (
        lambda: NTKImputer(row_features=FEATURES).impute(TABLE, return_std=True),
        "ntkfill.tables.imputer.uncertainties",
        lambda *_, **__: (np.full(TABLE.shape, np.nan), None),
    ),
    "NTKImputer.explain": (
        lambda: imputer().explain(*GAP),
        "ntkfill.tables.explain.kernel_weights",
        lambda _, cross, **__: np.full((len(cross), 1), np.nan),
    ),
    "Recommender.predict": (lambda: recommender("means").predict([USER], [ITEM]), None, None),
    "Recommender.predict, std": (
        lambda: recommender().predict([USER], [ITEM], return_std=True),
        "ntkfill.ratings.covariance.ItemCovariance.variance",
        nan(1),
    ),
    "Recommender.recommend": (lambda: recommender("means").recommend(USER), None, None),
    "Recommender.similar_items": (lambda: correlated().similar_items(ITEM), None, None),
    "Recommender.explain": (lambda: recommender("means").explain(USER, ITEM), None, None),
    "ratings.evaluate": (
        lambda: evaluate(
            Recommender(max_iter=0, noise=0.3), RATINGS.users, RATINGS.items, RATINGS.ratings
        ),
        "ntkfill.ratings.evaluation._scores",
        lambda *_: (np.nan,) * 4,
    ),
    "screens.complete": (
        lambda: screens.complete(MADE.screen, screens.Additive()),
        "ntkfill.screens.Additive.predict",
        lambda _, train, rows: np.full((len(rows), len(train.genes)), np.nan),
    ),
    "screens.rank": (
        lambda: screens.rank(screens.complete(MADE.screen, screens.Additive()), MADE.signature),
        "ntkfill.screens.ranking.unit_rows",
        nan(1, 8),
    ),
    "screens.evaluate": (
        lambda: screens.evaluate(MADE.screen, {"a": screens.Additive()}, screens.KFold(2, 1)),
        "ntkfill.screens.Additive.predict",
        lambda _, train, rows: np.full((len(rows), len(train.genes)), np.nan),
    ),
    "NTK.predict": (
        lambda: screens.NTK().predict(MADE.screen.known, NEW),
        "ntkfill.screens.methods.ntk.product",
        nan(1, 8),
    ),
    "NTK.predict_folds": (
        lambda: screens.NTK(Stack(OneHot("cell"), OneHot("drug"))).predict_folds(
            MADE.screen.known, np.arange(len(MADE.screen.known))[:, None] % 3
        ),
        "ntkfill.screens.methods.ntk.HeldOutPredictor.predict",
        nan(1, 8),
    ),
    "LowRank.predict": (
        lambda: screens.LowRank(rank=2).predict(MADE.screen.known, NEW),
        "ntkfill.screens.methods.low_rank.FittedScreen.at",
        nan(1, 8),
    ),
    "ColdStart.predict": (
        lambda: screens.ColdStart(screens.CellMean()).predict(
            MADE.screen.known, np.array([["another", MADE.screen.drugs[0]]])
        ),
        "ntkfill.screens.ColdStart.weigh",
        lambda *_: (np.full(3, np.nan), None, []),
    ),
    "CellMean.predict": (
        lambda: screens.CellMean().predict(MADE.screen.known, NEW),
        "ntkfill.screens.methods.baselines.group_means",
        nan(1, 8),
    ),
    "Additive.predict": (
        lambda: screens.Additive().predict(MADE.screen.known, NEW),
        "ntkfill.screens.methods.baselines._group_means",
        lambda _, __, count: np.full((count, 8), np.nan),
    ),
    "DNPP.predict": (
        lambda: screens.DNPP().predict(MADE.screen.known, UNHEARD),
        "ntkfill.screens.CellMean.predict",
        nan(1, 8),
    ),
    "Interpolation.predict": (
        lambda: screens.Interpolation().predict(MADE.screen.known, UNHEARD),
        "ntkfill.screens.methods.baselines.Additive.predict",
        nan(1, 8),
    ),
    "FaLRTC.predict": (
        lambda: screens.FaLRTC().predict(MADE.screen.known, NEW),
        "ntkfill.screens.methods.falrtc.product",
        nan(1, 8),
    ),
    "Posterior.covariance": (lambda: posterior().covariance(np.array([1])), None, None),
    "Posterior.variances": (lambda: posterior().variances(np.array([1])), None, None),
    "Posterior.expected_squares": (lambda: posterior().expected_squares(), None, None),
    "Posterior.sample": (
        lambda: posterior().sample(np.array([1])),
        "ntkfill.uncertainty.posterior.square_root",
        lambda _: lambda white: np.full_like(white, np.nan),
    ),
    "Sequential.between": (lambda: nn.fully_connected(2).between(BROKEN), None, None),
    "Sequential.ntk": (
        lambda: nn.hourglass(1).ntk((4, 4)),
        "ntkfill.kernels.Periodic.block",
        nan(16, 16),
    ),
    "Sequential.nngp": (
        lambda: nn.hourglass(1).nngp((4, 4)),
        "ntkfill.kernels.Periodic.block",
        nan(16, 16),
    ),
    "nn.kernel_features": (
        lambda: nn.kernel_features(nn.fully_connected(2), FEATURES),
        "ntkfill.nn.embedding.hadamard",
        lambda size: np.full((size, size), np.nan),
    ),
    "completion.complete": (
        lambda: ntkfill.complete(
            Observed(np.array([[1.0], [np.nan]]), np.array([True, False])),
            DenseKernel(np.array([[1.0, np.nan], [np.nan, 1.0]]), (2,)),
            Cholesky(),
        ),
        None,
        None,
    ),
    "Completion.weights": (
        lambda: ntkfill.complete(
            Observed(np.array([[1.0], [np.nan]]), np.array([True, False])),
            DenseKernel(np.eye(2), (2,)),
            Cholesky(),
        ).weights(1),
        "ntkfill.completion.weight_matrix",
        nan(1, 1),
    ),
}


@pytest.mark.sampled
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", CALLS)
def test_what_is_not_finite_is_refused(name, monkeypatch):
    call, place, broken = CALLS[name]
    if place is not None:
        monkeypatch.setattr(place, broken)
    with np.errstate(invalid="ignore"), pytest.raises(InputError, match=r"finite"):
        call()


# What holds numbers that were given or that are checked where they are made, names, shares or
# weights of what is finite; `Scores.quantile` is infinite by design.
OTHERS = {
    *("Explanation.largest", "Explanation.radius", "Explanation.as_array", "Observed.patterns"),
    *("RatingExplanation.largest", "SimulatedRatings.truth", "ratings.propensities"),
    *("Inpainter.get_params", "NTKImputer.get_feature_names_out", "Sequential.table"),
    *("NTK.features", "NTK.groups", "Imputation.features", "KFold.assigned", "Evaluation.mean"),
    *("ByDrugCount.predict", "ColdStart.weigh", "FaLRTC.complete", "screens.calibration"),
    *("screens.read_signature", "screens.to_anndata", "screens.to_frame", "Scores.quantile"),
    *("uncertainty.local_scale", "uncertainty.two_way_scale"),
    "uncertainty.likelihood_ratio_weights",
}


def test_no_public_result_is_forgotten():
    assert public.results().keys() - CALLS.keys() - OTHERS == set()
    ours = {"Recommender.predict, std"}  # another way of the same function
    assert (CALLS.keys() | OTHERS) - ours <= public.results().keys()
