from __future__ import annotations

import pytest

from signbart_port.checkpoint.names import NameRules, prefixes, strip, unwrap
from signbart_port.untrusted.refusal import Refusal


def test_unwrap_opens_each_candidate_once(rules):
    state = {"a": 1}
    assert unwrap(state, rules) == (state, ())
    assert unwrap({"model": state, "epoch": 1}, rules) == (state, ("model",))
    assert unwrap({"model": {"state_dict": state}}, rules) == (state, ("model", "state_dict"))
    cyclic: dict = {}
    cyclic["model"] = cyclic
    assert unwrap(cyclic, rules)[1] == ("model",)


def test_a_candidate_that_is_no_dict_is_not_opened(rules):
    assert unwrap({"model": "signbart", "a": 1}, rules)[1] == ()
    assert unwrap({"model": 3, "state_dict": {}}, rules) == ({}, ("state_dict",))


def test_two_candidates(rules):
    with pytest.raises(Refusal, match='"model" and "model_state_dict"'):
        unwrap({"model_state_dict": {}, "model": {}}, rules)


@pytest.mark.parametrize("prefix", ["", "module.", "_orig_mod.", "module._orig_mod.module."])
def test_strip_repeats_in_any_order(rules, prefix):
    names = [f"{prefix}encoder.module.weight", "bias"]
    assert strip(names, rules) == {names[0]: "encoder.module.weight", "bias": "bias"}


def test_prefixes_are_those_taken_off(rules):
    assert prefixes(strip(["_orig_mod.a", "b.module.c"], rules), rules) == ("_orig_mod.",)
    assert prefixes(strip(["_orig_mod.module.a", "b"], rules), rules) == rules.strip_prefixes


def test_collision_names_both(rules):
    with pytest.raises(Refusal, match=r'COLLISION: "a" and "module\.a" both become "a"'):
        strip(["a", "module.a"], rules)


def test_an_empty_prefix_takes_nothing():
    assert strip(["module.a"], NameRules((), ("", "module."))) == {"module.a": "a"}
