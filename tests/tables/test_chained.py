"""Tables without features: written out by hand, what made older versions diverge, and units."""

import numpy as np
import pytest
from scipy.stats import norm, rankdata

from ntkfill import ConvergenceWarning, NTKImputer
from ntkfill.nn import fully_connected
from ntkfill.nn.uncertain import LaplaceKernel, NetworkKernel, distances_along, separations, summed
from ntkfill.nn.vectors import Table, Vectors
from ntkfill.tables import chained, stack
from ntkfill.tables.ranks import Ranks

NET = fully_connected(1)


def holed(table, seed=0, share=0.3):
    missing = np.random.default_rng(seed).random(table.shape) < share
    missing[np.arange(len(table)), np.arange(len(table)) % table.shape[1]] = False
    return np.where(missing, np.nan, table), missing


def low_rank(n=60, m=6, noise=0.1):
    rng = np.random.default_rng(1)
    return np.tanh(rng.normal(size=(n, 2)) @ rng.normal(size=(2, m))) + noise * rng.normal(
        size=(n, m)
    )


def product_of_levels(seed, n=500):
    """Two columns of noise, two of a few levels, and an exponential of these."""
    rng = np.random.default_rng(seed)
    u, w = rng.normal(size=(2, n))
    a, c = rng.integers(0, 8, n), rng.choice([1.0, 2.0, 4.0, 8.0, 16.0], n)
    return np.c_[u, w, a, c, np.exp(0.4 * a) * c]


def collinear_and_heavy(seed, n=300):
    """Two columns that are nearly the same, one with a heavy tail, one that grows with it."""
    rng = np.random.default_rng(seed)
    x, t = rng.normal(size=n), rng.standard_t(2, n)
    return np.c_[x, x + 1e-3 * rng.normal(size=n), t, np.exp(x), t**2, rng.normal(size=n)]


def over_mean(filled, table, missing):
    """The error of each column over that of its mean."""
    known = np.where(missing, np.nan, table)
    mean = np.where(missing, np.nanmean(known, axis=0), table)
    errors = (np.square(x - table).sum(axis=0) for x in (filled, mean))
    return np.sqrt(next(errors) / next(errors))


PROVOKED = {"levels": product_of_levels, "heavy": collinear_and_heavy}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::ntkfill.errors.ConvergenceWarning")  # of new rows
@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("make", PROVOKED.values(), ids=PROVOKED)
def test_what_made_regressions_feed_each_other_settles(make, seed):
    table = make(seed)
    values, missing = holed(table, seed)
    imputer = NTKImputer()
    filled = imputer.fit_transform(values)  # warnings are errors: this one is silent
    assert imputer.converged_
    regressed = ~imputer.model_.sure  # what follows from others may leave the range
    low, high = np.nanmin(values, axis=0), np.nanmax(values, axis=0)
    assert ((low <= filled) & (filled <= high))[regressed].all()
    assert over_mean(filled, table, missing).max() < 1.3
    total = np.square((filled - table) / table.std(axis=0))[missing].mean()
    assert total < 0.85
    new = make(seed + 10)[:100]
    values, missing = holed(new, seed)
    filled = imputer.transform(values)
    assert over_mean(filled, new, missing).max() < 1.25


@pytest.mark.slow
def test_sweeps_end_where_changes_grow_and_the_last_one_is_undone(monkeypatch):
    """Regressions that feed each other would go on to max_iter, further off with every sweep."""
    changes, seen = iter([0.9, 0.5, 0.2, 0.1, 0.06, 0.3, 0.9, 2.0, 4.0, 8.0]), []

    def changed(before, after, known):
        seen.append(after)
        return next(changes)

    monkeypatch.setattr(chained, "_changed", changed)
    values, missing = holed(low_rank())
    imputer = NTKImputer(max_iter=10, tol=1e-3)
    with pytest.warns(ConvergenceWarning, match=r"6\.0e-02"):
        imputer.fit(values)
    assert len(seen) == 6
    assert len(imputer.model_.rounds) == 5
    np.testing.assert_array_equal(imputer.model_.fill.mean, seen[4].mean)
    assert np.abs(seen[5].mean - seen[4].mean)[missing].max() > 0


@pytest.mark.slow
def test_sweeps_end_where_they_have_settled():
    values, _ = holed(low_rank())
    imputer = NTKImputer(max_iter=50, tol=1e-2).fit(values)
    assert imputer.converged_
    assert imputer.n_iter_ < 12


@pytest.mark.slow
def test_values_stay_within_what_their_column_has_shown():
    rng = np.random.default_rng(0)
    x = rng.normal(size=200)
    table = np.c_[x, 2 * x, -x] + 0.1 * rng.normal(size=(200, 3))
    values = table.copy()
    values[x > 1, 1] = np.nan  # censored: any line would leave the range
    imputer = NTKImputer(ridge=1e-4)
    filled = imputer.fit_transform(values)
    top = np.nanmax(values[:, 1])
    assert filled[:, 1].max() == pytest.approx(top)
    done = imputer.impute(values, interval=0.9)
    np.testing.assert_array_equal(done.values, filled)
    far = np.array([[5.0, np.nan, -5.0]])
    assert imputer.fit(values).transform(far)[0, 1] <= top * (1 + 1e-12)
    # The explanation is of the value within the range.
    row = int(np.argmax(np.where(x > 1, x, 0.0)))
    told = imputer.explain(row, 1)
    assert told.value == pytest.approx(filled[row, 1])
    assert told.weights.sum() == pytest.approx(1.0)


def with_empty_rows(name):
    """A table of which some rows have gaps, where rows without any entry are to go, and the table
    with these."""
    i, rng = np.arange(21.0), np.random.default_rng(0)
    lines = np.c_[i, 2 * i, 3 * i][1:]
    lines[19] = 50.0, np.nan, 150.0
    table = {
        "lines": lines,
        "skewed": holed(np.exp(2 * low_rank()), share=0.2)[0],
        "one column": np.where(i % 3 == 0, 1.0, i)[1:, None],
        "wide": holed(low_rank(30, 110), share=0.1)[0],
        "constant": np.c_[lines, np.full(20, 7.0)],
        "no other gap": rng.normal(size=(30, 3)),
    }[name]
    empty = np.zeros(len(table) + 2, bool)
    empty[[4, 11]] = True
    whole = np.full((len(empty), table.shape[1]), np.nan)
    whole[~empty] = table
    return table, empty, whole


NAMES = ["lines", "skewed", "one column", "wide", "constant", "no other gap"]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::ntkfill.errors.ConvergenceWarning")
@pytest.mark.parametrize("name", NAMES)
def test_rows_without_any_entry_get_the_means_and_change_no_other(name):
    table, empty, whole = with_empty_rows(name)
    options = {"max_iter": 1, "tol": 9.0} if name == "wide" else {}
    imputer = NTKImputer(**options)
    filled, means = imputer.fit_transform(whole), np.nanmean(table, axis=0)
    np.testing.assert_allclose(filled[empty], [means] * 2, rtol=1e-12)
    alone = NTKImputer(**options).fit_transform(table)
    np.testing.assert_allclose(filled[~empty], alone, rtol=1e-4)  # sums in another order
    np.testing.assert_array_equal(imputer.transform(whole), filled)
    other = NTKImputer(**options).fit(table)
    np.testing.assert_allclose(other.transform(whole[empty]), [means] * 2, rtol=1e-12)
    for told in (imputer.explain(4, 0), other.explain(0, 0, whole[empty])):
        np.testing.assert_allclose(told.weights @ told.values, means[0])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["lines", "skewed", "constant", "no other gap"])
def test_the_standard_deviation_of_rows_without_any_entry_is_that_of_their_column(name):
    table, empty, whole = with_empty_rows(name)
    options = {"max_iter": 1, "tol": 9.0}
    done = NTKImputer(**options).impute(whole, return_std=True, draws=10)
    np.testing.assert_allclose(done.std[empty], [np.nanstd(table, axis=0)] * 2, rtol=1e-9)
    drawn, spread = np.stack(done.draws)[:, empty], np.nanstd(table, axis=0)
    assert (drawn.std(axis=0) > 0.1 * spread)[:, spread > 0].all()
    assert (drawn.std(axis=0)[:, spread == 0] == 0).all()


def test_categories_of_rows_without_any_entry_are_the_most_frequent():
    pandas = pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    x = rng.normal(size=60)
    frame = pandas.DataFrame({"x": x, "kind": np.where(x > 0.3, "b", "a")})
    frame.loc[[5, 20], "kind"] = None
    frame.loc[[7, 30], :] = None
    for imputed in (NTKImputer().fit_transform(frame), NTKImputer().fit(frame).transform(frame)):
        assert imputed["kind"][[7, 30]].tolist() == ["a", "a"]
        np.testing.assert_allclose(imputed["x"][[7, 30]], frame["x"].mean())


@pytest.mark.slow
def test_noise_is_filled_with_its_mean():
    """The mean is a candidate of every stack: there is nothing to gain from other columns."""
    table = np.random.default_rng(5).normal(size=(150, 5))
    values, missing = holed(table)
    filled = NTKImputer().fit_transform(values)
    assert over_mean(filled, table, missing).max() < 1.05
    means = np.nanmean(values, axis=0)
    assert np.abs((filled - means)[missing]).mean() < 0.15


@pytest.mark.sampled
@pytest.mark.parametrize("share", [0.3, 0.5])
@pytest.mark.parametrize("seed", range(100, 104))
def test_few_rows_of_noise_are_not_worse_than_their_mean(seed, share):
    """Some candidate always predicts thirty values of noise by chance: up to 1.05 if believed."""
    table = np.random.default_rng(seed).normal(size=(30, 5))
    values, missing = holed(table, seed, share)
    filled, means = NTKImputer().fit_transform(values), np.nanmean(values, axis=0)
    errors = [np.square(guess - table)[missing].mean() for guess in (filled, means)]
    assert errors[0] < 1.04 * errors[1]  # 2 % of the root


def test_a_stack_is_believed_as_far_as_it_is_significant():
    rng = np.random.default_rng(0)
    mean = rng.normal(size=(40, 1))
    predicted = 0.2 * mean + 0.3 * rng.normal(size=(40, 1))
    slope, noise, *_ = np.linalg.lstsq(predicted, mean[:, 0], rcond=None)
    t_squared = slope[0] ** 2 * np.sum(predicted**2) / (noise[0] / 40)
    assert t_squared > stack.CHANCE
    found = stack.believed(mean, mean - predicted)
    assert found == pytest.approx(1 - stack.CHANCE / t_squared)
    for left_out, belief in [(mean, 0.0), (0 * mean, 1.0), (2 * mean, 0.0)]:
        assert stack.believed(mean, left_out) == belief


@pytest.mark.slow
def test_columns_that_others_hardly_predict_are_not_worse_than_their_mean():
    """A second selection, on fills that hold traces of the values, takes them for signal: 1.10."""
    rng = np.random.default_rng(1)
    common = 0.4 * rng.normal(size=(400, 1))
    table = np.hstack([common + rng.normal(size=(400, 5)), rng.random((400, 2)) < 0.015])
    table = (table - table.mean(axis=0)) / table.std(axis=0)
    missing = rng.random(table.shape) < 0.5
    missing[:2] = False
    values = np.where(missing, np.nan, table)
    filled, means = NTKImputer().fit_transform(values), np.nanmean(values, axis=0)
    errors = [np.square(guess - table)[missing].mean() for guess in (filled, means)]
    assert errors[0] < 1.06 * errors[1]


@pytest.mark.slow
def test_a_stack_is_kernel_ridge_regression_written_out():
    table = low_rank()
    values, missing = holed(table)
    imputer = NTKImputer()
    filled, model = imputer.fit_transform(values), imputer.model_
    for target in model.targets:
        (j,) = target.columns
        others = [k for k in range(6) if k != j]
        known, x, v = ~missing[:, j], model.fill.mean[:, others], model.fill.variance[:, others]
        np.testing.assert_array_equal(v[~missing[:, others]], 0.0)
        assert (v[missing[:, others]] > 0).all()
        both = target.ranks.appended(Vectors(x, v), others)
        x, v = both.mean, both.variance
        expected = np.zeros(len(table))
        for predictor in target.stack.predictors:
            squares = np.square(x[:, None] - x[None]) + v[:, None] + v[None]
            if isinstance(predictor.kernel, NetworkKernel):
                gram = x @ x.T + np.diag(v.sum(axis=1)) + 1
                root = np.linalg.cholesky(gram + 1e-9 * np.eye(len(gram)))
                kernel = predictor.kernel.network.between(root)
            else:
                metric, p = predictor.kernel.metric, predictor.kernel.p
                distance = np.power(np.power(metric * squares, p / 2).sum(axis=2), 1 / p)
                np.fill_diagonal(distance, 0.0)
                kernel = np.exp(-distance / predictor.kernel.length)
            block = kernel[np.ix_(known, known)]
            ridge = predictor.ridge * np.trace(block) / known.sum()
            solved = np.linalg.solve(block + ridge * np.eye(known.sum()), x_of(model, j)[known])
            expected += predictor.weight * (kernel[:, known] @ solved)
        low, high = (bound[j] for bound in model.bounds)
        wanted = np.clip(expected, low, high) * model.scale[j] + model.level[j]
        np.testing.assert_allclose(filled[~known, j], wanted[~known], rtol=1e-5, atol=1e-6)


def x_of(model, column):
    return model.fill.mean[:, column]


def test_ranks_are_those_of_any_increasing_function():
    rng = np.random.default_rng(0)
    values, columns = rng.normal(size=(50, 2)), np.arange(2)
    values[:, 1] = rng.integers(0, 4, 50)
    values[:5, 0] = np.nan
    exp = np.exp(3 * values)
    zero = np.zeros((45, 2))
    scores = Ranks.of(exp).appended(Vectors(exp[5:], zero), columns).mean[:, 2:]
    order = rankdata(values[5:, 0])  # without ties
    np.testing.assert_allclose(scores[:, 0], norm.ppf((order - 0.5) / 45))
    expected = norm.ppf((rankdata(values[:, 1]) - 0.5) / 50)[5:]
    np.testing.assert_allclose(scores[:, 1], expected)


def test_scores_are_as_uncertain_as_values():
    ranks = Ranks.of(np.array([[0.0], [1.0], [3.0], [8.0]]))
    vectors = Vectors(np.array([[2.0]]), np.array([[1.0]]))
    scores = ranks.appended(vectors, np.arange(1))
    low, high = norm.ppf([0.375, 0.625])
    np.testing.assert_allclose(scores.mean, [[2.0, (low + high) / 2]], atol=1e-12)
    np.testing.assert_allclose(scores.variance, [[1.0, ((high - low) / 2) ** 2]])


def test_a_skewed_column_predicts_by_its_ranks():
    """By its values alone: .25 of the variance."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=200)
    table = np.stack([np.exp(6 * x), np.sin(3 * x)], axis=1)
    values = table.copy()
    values[:50, 1] = np.nan
    filled = NTKImputer().fit_transform(values)
    assert np.mean((filled - table)[:50, 1] ** 2) < 0.05 * table[:, 1].var()


def test_columns_with_the_same_gaps_do_not_see_each_other():
    values = low_rank()
    values[:10, :3] = np.nan
    targets = NTKImputer().fit(values).model_.targets
    seen = {int(j): target.features.tolist() for target in targets for j in target.columns}
    assert [seen[j] for j in range(3)] == [[3, 4, 5]] * 3
    assert seen[4] == [0, 1, 2, 3, 5]


def test_wide_tables_take_columns_with_the_same_gaps_together(monkeypatch):
    monkeypatch.setattr(chained, "LEARNED", 3)
    table = low_rank()
    values = table.copy()
    values[:10, :3] = np.nan
    imputer = NTKImputer()
    filled = imputer.fit_transform(values)
    targets = imputer.model_.targets
    assert sorted(target.columns.tolist() for target in targets) == [[0, 1, 2], [3], [4], [5]]
    kernels = [p.kernel for target in targets if target.stack for p in target.stack.predictors]
    assert kernels
    assert all(isinstance(kernel, NetworkKernel) for kernel in kernels)
    assert np.mean((filled - table)[:10, :3] ** 2) < 0.5 * table[:, :3].var()


@pytest.mark.slow
def test_selection_takes_some_rows_evenly_and_the_fit_all(monkeypatch):
    monkeypatch.setattr(chained, "SAMPLE", 10)
    monkeypatch.setattr(chained, "FIRST", 10)
    table = low_rank()
    values, missing = holed(table)
    sizes, tried = [], stack.LeftOut.of

    def watched(block, y, ridge):
        sizes.append(len(block))
        return tried(block, y, ridge)

    monkeypatch.setattr(stack.LeftOut, "of", watched)
    imputer = NTKImputer()
    imputer.fit_transform(values)
    assert set(sizes) == {10}
    for k, fitted in imputer.model_.kept.items():
        assert len(fitted.vectors) == (~missing[:, imputer.model_.targets[k].columns[0]]).sum()


def test_columns_that_are_sums_of_others_are_regressed_linearly():
    """Kernels that are not linear, with ridges from 1e-4 up, miss by twice as much."""
    rng = np.random.default_rng(0)
    table = rng.normal(size=(200, 3)) @ rng.normal(size=(3, 5))
    values, missing = holed(table, share=0.05)
    errors = np.abs((NTKImputer().fit_transform(values) - table) / table.std(axis=0))
    alone = missing & (missing.sum(axis=1) == 1)[:, None]
    assert np.median(errors[alone]) < 0.0015


@pytest.mark.slow
def test_draws_scatter_as_what_they_stand_for():
    """Fills are too regular: their variance, and the correlation of columns, are not those of the
    table. Those of draws are."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=400)
    table = np.c_[x + rng.normal(size=400), x + rng.normal(size=400)]
    missing = np.c_[rng.random(400) < 0.5, np.zeros(400, bool)]
    model = NTKImputer().fit(np.where(missing, np.nan, table)).model_
    drawn = model.draw(np.ones(2), np.random.default_rng(1))
    np.testing.assert_array_equal(model.draw(np.ones(2), np.random.default_rng(1)), drawn)
    assert (np.abs(drawn - table)[~missing] < 1e-12).all()
    rows = missing[:, 0]
    assert model.filled[rows, 0].std() < 0.8 * table[:, 0].std()
    assert drawn[rows, 0].std() == pytest.approx(table[:, 0].std(), rel=0.15)
    correlation = [np.corrcoef(each[rows].T)[0, 1] for each in (model.filled, drawn)]
    assert correlation[0] > 0.9
    assert correlation[1] == pytest.approx(0.5, abs=0.2)


@pytest.mark.slow
@pytest.mark.sampled
@pytest.mark.parametrize(("rows", "share"), [(60, 0.3), (60, 0.6), (300, 0.3)])
def test_the_history_of_fills_is_counted(rows, share, monkeypatch):
    """What new rows are filled after: 16 bytes for each missing entry and round."""
    monkeypatch.setattr(chained, "SETTLING", 100)
    values, missing = holed(low_rank(rows, 6), share=share)
    rounds = 6
    few, many = (chained.chained_memory(~missing, 1, count) for count in (0, rounds))
    imputer = NTKImputer(tol=0.0, max_iter=rounds)
    with pytest.warns(ConvergenceWarning):
        model = imputer.fit(values).model_
    assert len(model.rounds) >= 4
    held = sum(past.filled.mean.nbytes + past.filled.variance.nbytes for past in model.rounds)
    assert held / len(model.rounds) == pytest.approx((many - few) / rounds, rel=0.1)
    assert len({id(past.gaps) for past in model.rounds}) == 1


@pytest.mark.slow
@pytest.mark.parametrize("columns", [4, 110])
def test_values_alone_take_no_variances_and_are_the_same(columns, monkeypatch):
    rng = np.random.default_rng(0)
    table = rng.normal(size=(40, 2)) @ rng.normal(size=(2, columns))
    table += 0.1 * rng.normal(size=table.shape)
    table[rng.random(table.shape) < 0.2] = np.nan
    model = NTKImputer(tol=1.0).fit(table).model_
    with monkeypatch.context() as patch:
        patch.setattr(stack.Regression, "explained", None)
        values = model.filled
        with pytest.raises(TypeError):
            _ = model.std
    assert np.all(model.std[np.isnan(table)] > 0)
    np.testing.assert_array_equal(model.last.mean * model.scale + model.level, values)


@pytest.mark.sampled
@pytest.mark.parametrize("unit", [1e-100, 1e100])
def test_units_may_be_any(unit):
    table = low_rank(40, 4)
    values, _ = holed(table)
    units = np.array([1.0, unit, 1.0, 3.0])
    first = NTKImputer().fit_transform(values)
    filled = NTKImputer().fit_transform(values * units) / units
    np.testing.assert_allclose(filled, first, rtol=1e-5, atol=1e-6)


@pytest.mark.slow
def test_a_ridge_that_is_given_is_used_and_none_is_too_small():
    table = low_rank(40, 4)
    values, _ = holed(table)
    imputer = NTKImputer(ridge=0.3).fit(values)
    stacks = [target.stack for target in imputer.model_.targets]
    assert {predictor.ridge for found in stacks for predictor in found.predictors} == {0.3}
    twice = np.vstack([values, values])
    filled = NTKImputer(ridge=0, tol=1.0).fit_transform(twice)
    np.testing.assert_allclose(filled[:40], filled[40:], atol=1e-5)


def test_rows_beside_landmarks_do_not_depend_on_their_batch(monkeypatch):
    monkeypatch.setattr(stack, "EXACT", 40)
    rng = np.random.default_rng(3)
    at = Vectors(rng.normal(size=(90, 4)), rng.random((90, 4)) * (rng.random((90, 4)) < 0.3))
    y = np.sin(at.mean[:, :1])
    kernel = LaplaceKernel(np.ones(4), 3.0, 1)
    stacked = stack.Stack((stack.Predictor(kernel, stack.BESIDE, 0.1, 1.0),), 0.1, kernel.metric)
    fitted = stack.Fitted.of(stacked, at, y - y.mean())
    values, variance = fitted.predict(at)
    assert np.mean((values - y + y.mean()) ** 2) < 0.3 * y.var()
    for k in range(0, 90, 7):
        np.testing.assert_allclose(fitted.predict(at[[k]])[0], values[[k]], rtol=1e-12)
    # Single precision is enough for distances along features.
    monkeypatch.setattr(stack, "BESIDE", 1.0)
    exact = fitted.predict(at)
    np.testing.assert_allclose(values, exact[0], atol=1e-4)
    np.testing.assert_allclose(variance, exact[1], atol=1e-4)
    assert (values != exact[0]).any()


# Kernels between vectors that are known up to a variance.

RNG = np.random.default_rng(0)
SOME = Vectors(RNG.normal(size=(7, 3)), RNG.random((7, 3)))
KERNELS = {
    "network": NetworkKernel(NET),
    "nngp": NetworkKernel(NET, "nngp"),
    "laplace": LaplaceKernel(np.array([0.5, 2.0, 0.5]), 2.0, 2),
    "product": LaplaceKernel(np.array([0.5, 2.0, 0.5]), 2.0, 1),
}


@pytest.mark.parametrize("kernel", KERNELS.values(), ids=KERNELS)
def test_kernels_at_expected_distances(kernel):
    whole = kernel(SOME)
    np.testing.assert_allclose(whole, whole.T)
    assert np.linalg.eigvalsh(whole).min() > -1e-9
    np.testing.assert_allclose(np.diagonal(whole), kernel.diagonal(SOME))
    # Another vector with the same mean and variance is not the same vector.
    again = kernel(SOME, SOME)
    np.testing.assert_allclose(again - np.diag(np.diagonal(again)), whole - np.diag(np.diag(whole)))
    assert (np.diagonal(again) < np.diagonal(whole)).all()
    exact = Vectors(SOME.mean, np.zeros((7, 3)))
    np.testing.assert_allclose(np.diagonal(kernel(exact, exact)), np.diagonal(kernel(exact)))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kernel", KERNELS.values(), ids=KERNELS)
def test_parts_of_a_table_are_like_copies_of_them(kernel, dtype):
    rng = np.random.default_rng(1)
    plain = Vectors(rng.normal(size=(12, 5)), rng.random((12, 5)))
    table = Table.of(plain)
    for _ in range(2):
        for columns in ([0, 2, 3], [1, 2, 4]):
            for rows in (slice(None), np.array([1, 4, 5])):
                parts = [
                    [each.part(of, np.array(columns)).astype(dtype) for of in (rows, slice(3, 9))]
                    for each in (plain, table)
                ]
                for exact, shared in zip(*parts, strict=True):
                    assert len(shared) == len(exact)
                    assert shared.mean.shape == exact.mean.shape
                    assert shared.dtype == exact.dtype
                    assert kernel(shared).dtype == kernel(exact).dtype
                    np.testing.assert_allclose(kernel(shared), kernel(exact), rtol=1e-5, atol=1e-5)
                    np.testing.assert_allclose(
                        kernel.diagonal(shared[1:]), kernel.diagonal(exact)[1:], rtol=1e-5
                    )
                np.testing.assert_allclose(kernel(*parts[1]), kernel(*parts[0]), atol=1e-5)
        # The same with another column.
        plain = Vectors(plain.mean + (np.arange(5) == 2), plain.variance * (np.arange(5) != 2))
        table = table.changed(plain.mean, plain.variance, np.array([2]))
    np.testing.assert_allclose(table.gram, plain.inner(plain))


@pytest.mark.slow
def test_columns_of_wide_tables_share_their_inner_products(monkeypatch):
    rng = np.random.default_rng(2)
    table = rng.normal(size=(60, 3)) @ rng.normal(size=(3, 110)) + rng.normal(size=(60, 110))
    values, missing = holed(table)
    taken = []
    monkeypatch.setattr(Table, "of", classmethod(lambda cls, of: taken.append(of) or shared(of)))
    shared = lambda of: Table(of.mean, of.variance, of.inner(of))  # noqa: E731
    filled = NTKImputer().fit_transform(values)
    assert taken
    monkeypatch.setattr(chained, "_shared", lambda fill: fill)
    np.testing.assert_allclose(filled, NTKImputer().fit_transform(values), atol=1e-3)
    assert np.sqrt(np.mean((filled - table)[missing] ** 2)) < 0.8 * table.std()


def test_parts_with_the_same_columns_share_a_kernel(monkeypatch):
    made, between = [], NetworkKernel._between
    monkeypatch.setattr(
        NetworkKernel, "_between", lambda *args: made.append(len(args[1])) or between(*args)
    )
    rng, kernel = np.random.default_rng(5), NetworkKernel(NET)
    plain = Vectors(rng.normal(size=(12, 5)), rng.random((12, 5)))
    table, columns = Table.of(plain), np.array([0, 1, 3, 4])
    some, others = (table.part(rows, columns) for rows in (np.arange(5), np.arange(5, 12)))
    found = [kernel(some), kernel(some, others), kernel(others[2:])]
    assert made == [12]
    exact = [plain.part(rows, columns) for rows in (np.arange(5), np.arange(5, 12))]
    expected = [kernel(exact[0]), kernel(*exact), kernel(exact[1][2:])]
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-10)
    # A vector beside itself is one of the same mean and variance; other columns are another kernel.
    np.testing.assert_allclose(kernel(some, some), kernel(exact[0], exact[0]), rtol=1e-10)
    other = np.array([0, 1, 2, 3])
    np.testing.assert_allclose(
        kernel(table.part(np.arange(5), other)), kernel(plain.part(np.arange(5), other)), rtol=1e-10
    )


@pytest.mark.slow
def test_columns_of_a_wide_table_do_not_see_the_few_that_they_are_grouped_with(monkeypatch):
    rng = np.random.default_rng(2)
    table = rng.normal(size=(80, 128))
    table[:, 1::2] = table[:, ::2] + 0.1 * rng.normal(size=(80, 64))
    values, _ = holed(table)
    model = NTKImputer(max_iter=1, tol=100.0).fit(values).model_
    groups = {}
    for target in model.targets:
        groups.setdefault(target.features.tobytes(), []).append(target)
    assert {len(group) for group in groups.values()} == {8}  # one in 15
    for group in groups.values():
        columns = np.concatenate([target.columns for target in group])
        assert sorted({*range(128)} - {*columns}) == group[0].features.tolist()
        assert len({j // 2 for j in columns}) == 8  # none that another one predicts


@pytest.mark.slow
def test_columns_of_a_wide_table_share_a_predictor_only_in_the_first_round():
    """And stop one round early, because all are predicted once more."""
    rng = np.random.default_rng(3)
    table = rng.normal(size=(90, 4)) @ rng.normal(size=(4, 120)) + 0.5 * rng.normal(size=(90, 120))
    values, missing = holed(table)
    done = NTKImputer().fit(values).model_
    first, second = (
        {id(target.stack) for target in past.targets if target.stack} for past in done.rounds[:2]
    )
    assert len(first) == 1
    assert len(second) > 100
    last, longer = (NTKImputer(tol=tol).fit(values).model_ for tol in (1e-3, 1e-6))
    assert last.change < 1e-3
    assert last.n_iter == 2
    assert longer.n_iter > last.n_iter
    missed = np.square((last.filled - longer.filled) / longer.scale)[missing].mean()
    assert missed < 5e-3


@pytest.mark.parametrize("certain", [(), (0, 2)])
def test_distances_of_several_metrics_are_those_of_each(certain):
    rng, sure = np.random.default_rng(4), np.isin(np.arange(3), certain)
    left, right = (
        Vectors(rng.normal(size=(n, 3)), rng.random((n, 3)) * (rng.random((n, 3)) < 0.5) * ~off)
        for n, off in ((9, np.zeros(3, bool)), (5, sure))
    )
    metrics = [np.array([0.5, 2.0, 0.5]), np.ones(3)]
    for metric, found in zip(metrics, distances_along(metrics, left, right), strict=True):
        expected = LaplaceKernel(metric, 1.0, 1).distances(left, right)
        np.testing.assert_allclose(found, expected, rtol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("share", [(0.0, 0.0), (0.5, 0.0), (0.5, 0.5)], ids=str)
def test_compiled_distances_are_the_same_bytes(share, dtype, monkeypatch):
    pytest.importorskip("numba")
    monkeypatch.setattr("ntkfill.nn.uncertain.STRIP", 60)
    rng = np.random.default_rng(4)
    left, right = (
        Vectors(rng.normal(size=(n, 5)), rng.random((n, 5)) * (rng.random((n, 5)) < part)).astype(
            dtype
        )
        for n, part in zip((23, 17), share, strict=True)
    )
    metrics, found = [rng.random(5), np.ones(5)], []
    for least in (np.inf, 0):
        monkeypatch.setattr("ntkfill.nn.uncertain.COMPILED_SIZE", least)
        parts = distances_along(metrics, left, right), distances_along(metrics, left)
        found.append(np.concatenate([each.ravel() for part in parts for each in part]))
    assert found[0].dtype == dtype
    np.testing.assert_array_equal(*found)
    assert len(np.unique(found[0])) > 500


@pytest.mark.parametrize("certain", [(), (0, 2)])
def test_distances_of_one_set_in_three_ways(certain, monkeypatch):
    monkeypatch.setattr("ntkfill.nn.uncertain.STRIP", 40)  # rows in several strips
    rng, sure = np.random.default_rng(4), np.isin(np.arange(3), certain)
    of = Vectors(rng.normal(size=(9, 3)).round(1), rng.random((9, 3)) * ~sure)
    kernel = LaplaceKernel(np.array([0.5, 2.0, 0.5]), 2.0, 1)
    square = np.subtract.outer(of.mean, of.mean).diagonal(axis1=1, axis2=3) ** 2
    noise = np.add.outer(of.variance, of.variance).diagonal(axis1=1, axis2=3)
    expected = (np.sqrt(kernel.metric) * np.sqrt(square + noise)).sum(axis=-1)
    np.fill_diagonal(expected, 0.0)
    above = np.triu_indices(9)
    for found in (
        kernel.distances(of),
        summed(kernel.metric, separations(of)),
        np.triu(kernel.distances(of, upper=True)) + np.triu(expected, 1).T,
    ):
        np.testing.assert_allclose(found, expected, atol=1e-8)
    whole, half = kernel.of_distances(expected), kernel.of_distances(expected, upper=True)
    np.testing.assert_allclose(whole, np.exp(-expected / 2.0), rtol=1e-12)
    np.testing.assert_allclose(half[above], whole[above], rtol=1e-12)


@pytest.mark.parametrize("p", [1, 2])
def test_the_metric_follows_the_gradient(p):
    x = np.random.default_rng(0).normal(size=(80, 3))
    y = np.sin(2 * x[:, :1])
    vectors = Vectors(x, np.zeros(x.shape))
    kernel = LaplaceKernel(np.array([1.0, 0.5, 1.5]), 3.0, p)
    coefficients = np.linalg.solve(kernel(vectors) + 0.01 * np.eye(80), y)
    apart = separations(vectors) if p == 1 else None
    learned = kernel.relearned(vectors, apart, kernel.distances(vectors), coefficients)
    assert learned.mean() == pytest.approx(1.0)
    assert learned[0] > 1.5 > 0.8 > learned[1:].max()
    # By differences of the prediction, between the vectors where the kernel has no kink.
    strength = np.zeros(3)
    for k in range(3):
        step = 1e-6 * (np.arange(3) == k)
        sides = [kernel(Vectors(x + s * step, vectors.variance), vectors) for s in (1, -1)]
        for block in sides:  # its own kink counts as flat
            np.fill_diagonal(block, 0.0)
        strength[k] = np.mean(((sides[0] - sides[1]) @ coefficients / 2e-6) ** 2)
    expected = kernel.metric * np.sqrt(strength / kernel.metric)
    expected = 0.9 * expected / expected.mean() + 0.1
    np.testing.assert_allclose(learned, expected, rtol=1e-4)


@pytest.mark.parametrize("columns", [101, 103, 105])
def test_tables_just_wide_are_filled_and_explained(columns):
    """Groups of columns leave less than `LEARNED` features."""
    rng = np.random.default_rng(0)
    truth = rng.normal(size=(40, 3)) @ rng.normal(size=(3, columns))
    truth += 0.1 * rng.normal(size=truth.shape)
    missing = rng.random(truth.shape) < 0.2
    missing[0] = False
    imputer = NTKImputer()
    filled = imputer.fit_transform(np.where(missing, np.nan, truth))
    error = np.sqrt(np.mean((filled - truth)[missing] ** 2))
    assert error < 0.4 * truth[missing].std()
    for row, column in np.argwhere(missing)[::200]:
        found = imputer.explain(int(row), int(column)).value
        assert found == pytest.approx(filled[row, column], abs=1e-5)


# More rows than a matrix of their pairs has room for.


@pytest.mark.slow
def test_landmarks_fill_as_all_rows_do(monkeypatch):
    table = low_rank(250, 4)
    values, missing = holed(table)
    exact = NTKImputer().impute(values, return_std=True)
    monkeypatch.setattr(stack, "EXACT", 100)
    # Landmarks are points where some rows are guesses: all of them are not quite the exact solve.
    for count, tolerance in ((250, 0.15), (60, 0.2)):
        monkeypatch.setattr(stack, "LANDMARKS", count)
        imputer = NTKImputer()
        done = imputer.impute(values, return_std=True)
        difference = np.square((done.values - exact.values)[missing] / table.std())
        assert np.sqrt(np.mean(difference)) < tolerance, count
        assert 0.8 < np.mean(done.std[missing]) / np.mean(exact.std[missing]) < 1.6
        row = int(np.flatnonzero(missing[:, 2])[0])
        told = imputer.explain(row, 2)
        assert told.value == pytest.approx(done.values[row, 2], rel=1e-6)
        assert told.weights.sum() == pytest.approx(1.0)


@pytest.mark.slow
def test_rows_in_blocks_are_the_same_rows(monkeypatch):
    monkeypatch.setattr(stack, "EXACT", 100)
    monkeypatch.setattr(stack, "LANDMARKS", 60)
    monkeypatch.setattr(stack, "SINGLE", np.inf)  # in single precision sums are 1e-3 apart
    values, _ = holed(low_rank(300, 4))
    filled = NTKImputer().fit_transform(values)
    monkeypatch.setattr(stack, "ROWS", 37)
    np.testing.assert_allclose(NTKImputer().fit_transform(values), filled, atol=1e-5)
