"""Networks and priors from text, which is never executed."""

import numpy as np
import pytest

import ntkfill
from ntkfill import InputError
from ntkfill.nn import (
    Conv,
    Dense,
    Identity,
    Sequential,
    TwoSlope,
    Upsample,
    hourglass,
    parse,
    parse_prior,
)
from ntkfill.nn.parsing import shorten
from ntkfill.priors import IID, MeshGrid
from ntkfill.priors import Identity as IdentityPrior


@pytest.mark.parametrize(
    ("text", "net"),
    [
        ("Sequential(Conv(3), ReLU(), Conv())", Sequential(Conv(3), TwoSlope(0.0), Conv(3))),
        ("Sequential(LeakyReLU(0.2), Abs())", Sequential(TwoSlope(0.2), TwoSlope(-1.0))),
        ("Sequential(Identity())", Sequential(Identity())),
        ("Sequential(Upsample(mode='bilinear'))", Sequential(Upsample("bilinear"))),
        ("Sequential(Sequential(Conv(5)), Dense())", Sequential(Conv(5), Dense())),
        ("hourglass(1, 2, activation=Abs())", hourglass(1, 2, 1, 3, "nearest", TwoSlope(-1.0))),
        ("Sequential(hourglass(1), Dense())", Sequential(hourglass(1), Dense())),
    ],
)
def test_parsed(text, net):
    assert parse(text) == net


@pytest.mark.parametrize(
    "text",
    [
        "hourglass(6)",
        "hourglass(3, convs_down=2, convs_up=3, size=5, upsample='bilinear', activation=Erf())",
        "hourglass(1, activation=TwoSlope(slope=0.0))",
        "Sequential(Conv(size=3))",
        "Sequential(Conv(size=3), Downsample(), Upsample(mode='nearest'), Conv(size=5))",
        "Sequential(Dense(), TwoSlope(slope=0.0), Dense())",
    ],
)
def test_short_names(text):
    assert shorten(parse(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "   ",
            "Conv(3)",
            "Sequential",
            "3",
            "'Sequential()'",
            "[Conv(3)]",
            "Sequential(",
            "\0",
        ),
        *("Sequential(Conv(2))", "Sequential(Conv(3, 5))", "Sequential(Conv(taps=3))"),
        *("Sequential(Conv('3'))", "Sequential(Conv)", "Sequential(Pool())", "Sequential(None)"),
        *("Sequential(TwoSlope(1e999))", "Sequential(TwoSlope('a'))", "Sequential(Upsample('x'))"),
        *("Sequential(Conv(3)); Conv(3)", "Sequential(Conv(3)).layers", "Sequential(*[Conv(3)])"),
        *("Sequential(Conv(1 + 2))", "Sequential(Conv(size=(lambda: 3)()))", "x = Sequential()"),
        *("__import__('os')", "Sequential(__import__('os').getcwd())", "Sequential(exec('1'))"),
        *("Sequential(" * 5000, "Sequential(" * 400 + ")" * 400, "-" * 100_000 + "1"),
        *("Sequential(Conv(" + "-" * count + "3))" for count in (200, 1500, 3000)),
        *("(" * 5000 + ")" * 5000, "Sequential(Conv(" + "9" * 10_000 + "))"),
    ],
    ids=lambda text: text[:30],
)
def test_text_that_describes_no_network(text):
    with pytest.raises(InputError, match="network must be the repr"):
        parse(text)


@pytest.mark.parametrize("prior", [IID(), IID(0.1, 2.0), MeshGrid(), IdentityPrior()], ids=repr)
def test_the_repr_of_a_prior_is_read_back(prior):
    assert parse_prior(f" {prior!r} ") == prior


@pytest.mark.parametrize(
    "text",
    [
        *("", "IID", "3", "(1, 2)", "hourglass(2)", "Features([[1.0]])", "IID(variance=-1.0)"),
        *("IID(mean=open('x'))", "__import__('os')", "IID(" * 5000),
    ],
    ids=lambda text: text[:30],
)
def test_text_that_describes_no_prior(text):
    with pytest.raises(InputError, match="prior must be the repr"):
        parse_prior(text)


@pytest.mark.parametrize(
    "use",
    [
        lambda text: ntkfill.inpaint(np.eye(4), np.eye(4) > 0, network=text),
        lambda text: ntkfill.NTKImputer(network=text).fit(np.eye(4)),
        lambda text: ntkfill.screens.NTK(network=text),
        lambda text: ntkfill.nn.as_kernel(text),
    ],
)
def test_text_in_place_of_a_network_is_answered_with_parse(use):
    """Python takes networks, the command line their text: one way each."""
    with pytest.raises(InputError, match=r"network must be .*got 'hourglass\(2\)'.*nn\.parse"):
        use("hourglass(2)")
