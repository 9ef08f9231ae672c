"""The cycle collector is left as it was found, whatever happens in a run."""

import gc

import pytest

from fencepost.harness.collector import unhurried_collector


def test_it_looks_less_often_inside_only() -> None:
    before = gc.get_threshold()
    with unhurried_collector():
        assert gc.get_threshold()[0] > before[0]
    assert gc.get_threshold() == before


def test_an_error_inside_leaves_it_as_it_was() -> None:
    before = gc.get_threshold()
    with pytest.raises(KeyError), unhurried_collector():
        raise KeyError
    assert gc.get_threshold() == before


def test_who_is_even_less_in_a_hurry_is_left_alone() -> None:
    before = gc.get_threshold()
    gc.set_threshold(1_000_000)
    try:
        with unhurried_collector():
            assert gc.get_threshold()[0] == 1_000_000
    finally:
        gc.set_threshold(*before)
