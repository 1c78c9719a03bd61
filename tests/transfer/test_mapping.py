"""Mapping files that are not mappings, each refused by its line, and those that are wrong for the
model, each found by its code."""

from __future__ import annotations

import hashlib

import pytest

from signbart_port import config as configs
from signbart_port import transfer
from signbart_port.errors import PortError
from signbart_port.model_files import mappings
from signbart_port.model_files.mappings import names
from signbart_port.transfer import Code, Direction, check
from tests.support.small_models import distinct_state_dict, plan_of, small_config

CONFIG = small_config()
TO_KERAS = Direction.TORCH_TO_KERAS
HEAD = '{path: "classification_head.out_proj", kind: linear, out: num_labels, in: d_model}'
XY = '{path: "projection.{xy}", kind: linear, out: d_model, in: joints}'
BIAS = "- {torch: bias, keras: bias, dims: [out]}"
WHY = "{match: loss_fn.weight, why: class weights of the training loss}"

NOT_A_MAPPING = {
    "unknown op": ("op: transpose", "op: rotate", "unknown op 'rotate'; known: identity, transp"),
    "op is a list": ("op: transpose", "op: [transpose]", "op must be a name, got ['transpose']"),
    "op is null": ("op: transpose", "op: ", "op must be a name, got None"),
    "schema 3": ("schema: 1", "schema: 3", "schema is 3, this program reads 1 and 2"),
    "schema true": ("schema: 1", "schema: true", "schema is True, this program reads 1 and 2"),
    "schema text": ("schema: 1", "schema: '1'", "schema is 1, this program reads 1 and 2"),
    "schema null": ("schema: 1", "schema:", "schema is None"),
    "rule key": (
        "joints}",
        "joints, kind2: a}",
        "unknown key 'kind2'; known: guess, in, kind, out",
    ),
    "unknown kind": (XY, XY.replace("linear", "conv"), "unknown kind 'conv'; declared: linear"),
    "kind is a list": (XY, XY.replace("linear", "[linear]"), "kind must be a name, got ['linear"),
    "guess": (XY, XY.replace("}", ", guess: yes}").replace("{xy, guess: yes}", "{xy}"), "guess is"),
    "no kind": (XY, XY.replace("kind: linear, ", ""), "kind must be a name, got None"),
    "undeclared placeholder": ("n.{xy}", "n.{yx}", "placeholder {yx} is not declared under axes"),
    "undeclared in ignore": (
        "loss_fn.weight",
        "'l.{i}'",
        "placeholder {i} is not declared under axes",
    ),
    "empty placeholder": ("n.{xy}", "n.{}", "path has braces around what is no name"),
    "numbered placeholder": ("n.{xy}", "n.{0}", "path has braces around what is no name"),
    "open brace": ("n.{xy}", "n.{xy", "path has braces around what is no name"),
    "closed brace": ("n.{xy}", "n.xy}", "path has braces around what is no name"),
    "format spec": ("n.{xy}", "n.{xy:>9}", "path has braces around what is no name"),
    "conversion": ("n.{xy}", "n.{xy!r}", "path has braces around what is no name"),
    "attribute": ("n.{xy}", "n.{xy.__class__}", "path has braces around what is no name"),
    "item": ("n.{xy}", "n.{xy[0]}", "path has braces around what is no name"),
    "brace in a leaf": (BIAS, BIAS.replace("bias,", '"{xy}",', 1), "take no placeholders"),
    "brace in a Keras leaf": (BIAS, BIAS.replace("keras: bias", "keras: 'a}'"), "take no place"),
    "sides differ": (
        XY,
        XY.replace("path:", 'keras: "projection", torch:'),
        "torch and keras use different placeholders",
    ),
    "path and torch": (XY, XY.replace("path:", "torch: a, path:"), "unknown key 'torch'; known: "),
    "no keras": (XY, XY.replace("path", "torch"), "missing keras"),
    "path is a number": (XY, "{path: 5, kind: linear, out: d_model, in: d_model}", "path must be"),
    "no size": (XY, XY.replace(", in: joints", ""), "missing in"),
    "size is a number": (XY, XY.replace("joints", "48"), "in must be a size of the con"),
    "size times": ("max_position_embeddings + 2", "d_model * 2", "rows must be a size of the con"),
    "size sum": ("max_position_embeddings + 2", "d_model + joints", "rows must be a size of the c"),
    "size minus": ("max_position_embeddings + 2", "d_model - 2", "rows must be a size of the conf"),
    "size in turn": ("max_position_embeddings + 2", "2 + d_model", "rows must be a size of the c"),
    "size of digits": ("+ 2,", f"+ {'9' * 5000},", "rows must be a size of the config, or a size"),
    "no dims": (BIAS, BIAS.replace(", dims: [out]", ""), "missing dims"),
    "dims is a name": (BIAS, BIAS.replace("[out]", "out"), "dims must be a list of names, got out"),
    "dims of numbers": (BIAS, BIAS.replace("[out]", "[1]"), "dims must be a list of names, got [1"),
    "leaf key": (BIAS, BIAS.replace("]}", "], opp: identity}"), "unknown key 'opp'; known: dims, "),
    "no family": ("family: signbart\n", "", "missing family"),
    "family is a number": ("family: signbart", "family: 3", "family must be a name, got 3"),
    "family is empty": ("family: signbart", "family: ''", "family must be a name, got"),
    "unknown key": ("family:", "famly: a\nfamily:", "unknown key 'famly'; known: axes, checkpoint"),
    "unwrap is a name": ("[model, state_dict, model_state_dict]", "model", "must be a list of na"),
    "prefixes of numbers": ("[module., _orig_mod.]", "[1]", "strip_prefixes must be a list of n"),
    "checkpoint key": (
        "  unwrap:",
        "  unwarp:",
        "unknown key 'unwarp'; known: renamed, strip_prefixes, un",
    ),
    "axis of numbers": ("[proj_x1, proj_y1]", "[1, 2]", "xy must be a list of names, got [1, 2]"),
    "axis is null": ("xy: [proj_x1, proj_y1]", "xy:", "xy must be a list of names, got None"),
    "axis key": ("{range: encoder_layers}", "{rnage: encoder_layers}", "unknown key 'rnage'; kno"),
    "axis is empty": ("{range: encoder_layers}", "{}", "missing range"),
    "axis from text": ("encoder_layers}", "encoder_layers, from: a}", "from must be a small numb"),
    "axis from true": ("encoder_layers}", "encoder_layers, from: true}", "from must be a small"),
    "axis from -1": ("encoder_layers}", "encoder_layers, from: -1}", "from must be a small numb"),
    "axis of Keras": ("encoder_layers}", "encoder_layers, keras_from: -1}", "keras_from must be"),
    "axis from far": ("encoder_layers}", "encoder_layers, from: 1001}", "from must be a small n"),
    "axis number": ("{range: encoder_layers}", "{range: 2}", "range must be a name, got 2"),
    "no reason": (WHY, "{match: loss_fn.weight}", "missing why"),
    "empty reason": (WHY, "{match: loss_fn.weight, why: ''}", "why must be a name, got"),
    "ignore side": ("  torch:\n", "  pytorch:\n", "unknown key 'pytorch'; known: keras, torch"),
    "ignore is a list": (
        "\n  torch:\n    -",
        "\n  -\n    -",
        "ignore must be a block of keys, got",
    ),
    "rule is a name": (f"  - {XY}", "  - projection", "modules must be a list of blocks"),
    "a key twice": ("family:", "schema: 1\nfamily:", "key 'schema' repeats that of line"),
}
KEY_LINE = {  # where the line of the key at fault stands, if not on the first changed one
    "ignore is a list": "ignore:",
    "rule is a name": "modules:",
    "no family": "schema:",
    "no reason": "- {match",
}


@pytest.mark.parametrize("name", NOT_A_MAPPING)
def test_what_is_no_mapping_is_refused_by_its_line(mutated, name):
    old, new, said = NOT_A_MAPPING[name]
    path, line = mutated(old, new)
    if name in KEY_LINE:
        lines = path.read_text().splitlines()
        line = next(n for n, text in enumerate(lines, 1) if text.strip().startswith(KEY_LINE[name]))
    with pytest.raises(PortError) as refused:
        transfer.load(path)
    assert str(refused.value).startswith(f"{path}: line {line}: "), str(refused.value)
    assert said in str(refused.value)
    assert str(refused.value).isprintable()


@pytest.mark.parametrize("block", ["axes", "kinds", "modules"])
def test_a_block_that_is_missing_or_of_another_type_is_named(mutated, block):
    for text, said in ((f"\n{block}2:", f"unknown key '{block}2'"), (f"\n{block}: 5\nx:", block)):
        path, _ = mutated(f"\n{block}:", text)
        with pytest.raises(PortError, match=f"line .*{said}"):
            transfer.load(path)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("in: joints", "in: jonits"),
        ("rows: max_position_embeddings + 2", "rows: positions + 2"),
        ("in: joints", "in: '48'"),
        ("{range: encoder_layers}", "{range: layers}"),
    ],
)
def test_a_size_that_no_config_has_is_named_by_its_line(mutated, old, new):
    path, line = mutated(old, new)
    mapping = transfer.load(path)
    wrong = new.split(": ")[1].strip("'}").removesuffix(" + 2")
    said = f"{path}: line {line}: the config has no size '{wrong}'; it has {configs.SIZES[0]}, "
    with pytest.raises(PortError) as refused:
        transfer.plan(mapping, CONFIG.sizes())
    assert str(refused.value).startswith(said)
    with pytest.raises(PortError) as refused:
        mapping.check_sizes(configs.SIZES)
    assert str(refused.value).startswith(said)


def found_by(path):
    plan = transfer.plan(transfer.load(path), CONFIG.sizes())
    target = {t.keras: t.keras_shape for t in plan_of(CONFIG).transfers}
    return check(plan, TO_KERAS, distinct_state_dict(CONFIG), target)


def test_two_rules_for_one_source(mutated):
    path, line = mutated(HEAD, f"{HEAD}\n  - {HEAD.replace('path:', 'keras: head, torch:')}")
    lines = f"mine.yaml:{line - 1} and mine.yaml:{line}"
    found = {(f.code, f.name): f.detail for f in found_by(path)}
    assert found == {
        (Code.DOUBLE_SOURCE, "classification_head.out_proj.weight"): lines,
        (Code.DOUBLE_SOURCE, "classification_head.out_proj.bias"): lines,
        (Code.MISSING, "head/kernel"): f"the target has no such tensor, mine.yaml:{line}",
        (Code.MISSING, "head/bias"): f"the target has no such tensor, mine.yaml:{line}",
    }


def test_one_target_from_two_sources(mutated):
    other = HEAD.replace(
        'path: "classification_head.out_proj"',
        'torch: "projection.proj_x1", keras: "classification_head.out_proj"',
    )
    path, line = mutated(HEAD, f"{HEAD}\n  - {other}")
    lines = f"mine.yaml:{line - 1} and mine.yaml:{line}"
    found = {(f.code, f.name): f.detail for f in found_by(path)}
    assert found[Code.DOUBLE_TARGET, "classification_head/out_proj/kernel"] == lines
    assert found[Code.DOUBLE_TARGET, "classification_head/out_proj/bias"] == lines
    assert (Code.DOUBLE_SOURCE, "projection.proj_x1.weight") in found


def test_the_same_rule_twice_doubles_both_sides(mutated):
    path, _ = mutated(f"- {XY}", f"- {XY}\n  - {XY}")
    assert {(f.code, f.name) for f in found_by(path)} == {
        (code, f"projection{dot}proj_{axis}1{dot}{leaf}")
        for code, dot, leaves in (
            (Code.DOUBLE_SOURCE, ".", ("weight", "bias")),
            (Code.DOUBLE_TARGET, "/", ("kernel", "bias")),
        )
        for leaf in leaves
        for axis in "xy"
    }


def test_a_rule_that_matches_nothing(mutated):
    path, line = mutated(HEAD, f"{HEAD}\n  - {HEAD.replace('head', 'hat')}")
    assert {(f.code, f.name, f.detail) for f in found_by(path)} == {
        (Code.MISSING, "classification_hat.out_proj.weight", f"mine.yaml:{line}"),
        (Code.MISSING, "classification_hat.out_proj.bias", f"mine.yaml:{line}"),
    } | {
        (Code.MISSING, name, f"the target has no such tensor, mine.yaml:{line}")
        for name in ("classification_hat/out_proj/kernel", "classification_hat/out_proj/bias")
    }


def test_a_forgotten_rule_leaves_sources_unmapped_and_targets_unfilled(mutated):
    path, _ = mutated(f"  - {HEAD}\n", "\n")
    assert {(f.code, f.name) for f in found_by(path)} == {
        (Code.UNMAPPED, "classification_head.out_proj.weight"),
        (Code.UNMAPPED, "classification_head.out_proj.bias"),
        (Code.UNFILLED, "classification_head/out_proj/kernel"),
        (Code.UNFILLED, "classification_head/out_proj/bias"),
    }


def test_a_forgotten_transpose_is_a_wrong_shape_where_the_kernel_is_not_square(mutated):
    path, _ = mutated(", op: transpose", "")
    found = found_by(path)
    assert {f.code for f in found} == {Code.SHAPE}
    kernels = [t for t in plan_of(CONFIG).transfers if t.op.name == "transpose"]
    assert {f.name for f in found} == {t.keras for t in kernels if t.keras_shape != t.torch_shape}


def test_an_ignored_tensor_is_left_behind_for_its_reason(mutated):
    extra = {"loss_fn.weight": distinct_state_dict(CONFIG)["classification_head.out_proj.bias"]}
    source = distinct_state_dict(CONFIG) | extra
    plan = plan_of(CONFIG)
    assert plan.ignored_torch["loss_fn.weight"] == "class weights of the training loss"
    assert "reads keypoints" in plan.ignored_torch["encoder.embed_tokens.weight"]
    assert check(plan, TO_KERAS, source) == []
    assert len(list(transfer.apply(plan, TO_KERAS, source))) == len(source) - 1
    path, _ = mutated(f"\n    - {WHY}", "")
    without = transfer.plan(transfer.load(path), CONFIG.sizes())
    assert [(f.code, f.name) for f in check(without, TO_KERAS, source)] == [
        (Code.UNMAPPED, "loss_fn.weight")
    ]


def test_ignore_lines_have_placeholders_and_belong_to_their_side(mutated):
    line = '{match: "decoder/layers.{dec}/scale", why: a buffer}'
    path, _ = mutated("  torch:\n    - {match", f"  keras:\n    - {line}\n  torch:\n    - {{match")
    plan = transfer.plan(transfer.load(path), CONFIG.sizes())
    names = [f"decoder/layers.{i}/scale" for i in range(CONFIG.decoder_layers)]
    assert plan.ignored_keras == dict.fromkeys(names, "a buffer")
    source = distinct_state_dict(CONFIG)
    keras = dict(transfer.apply(plan, TO_KERAS, source))
    extra = dict.fromkeys(names, source["projection.proj_x1.bias"])
    assert check(plan, Direction.KERAS_TO_TORCH, keras | extra) == []
    assert {f.code for f in check(plan, TO_KERAS, source | extra)} == {Code.UNMAPPED}


def test_both_sides_may_have_names_of_their_own(mutated):
    own = HEAD.replace("path:", 'keras: "head.fc", torch:')
    path, line = mutated(HEAD, own)
    plan = transfer.plan(transfer.load(path), CONFIG.sizes())
    assert [(t.torch, t.keras, t.line) for t in plan.transfers[-2:]] == [
        ("classification_head.out_proj.weight", "head/fc/kernel", line),
        ("classification_head.out_proj.bias", "head/fc/bias", line),
    ]


def test_pytorch_may_count_layers_from_another_number_than_keras(mutated):
    path, _ = mutated("dec: {range: decoder_layers}", "dec: {range: decoder_layers, from: 1}")
    line = "{match: 'decoder/layers.{dec}/scale', why: a buffer}"
    path.write_text(path.read_text().replace("  torch:\n    - {match", f"  keras:\n    - {line}\n"
                                             "  torch:\n    - {match"))  # fmt: skip
    plan = transfer.plan(transfer.load(path), CONFIG.sizes())
    own = {t.keras: t.torch for t in plan_of(CONFIG).transfers}
    for t in plan.transfers:
        layer = t.torch.split(".")[2] if t.torch.startswith("decoder.layers.") else None
        if layer is None:
            assert own[t.keras] == t.torch
        else:
            assert own[t.keras] == t.torch.replace(f"layers.{layer}", f"layers.{int(layer) - 1}")
    assert {t.keras for t in plan.transfers} == own.keys()
    assert list(plan.ignored_keras) == [
        f"decoder/layers.{i}/scale" for i in range(CONFIG.decoder_layers)
    ]
    shapes = {t.torch: t.torch_shape for t in plan.transfers}
    assert transfer.sizes_from_shapes(plan.mapping, shapes) == CONFIG.sizes()


def test_a_mapping_is_found_by_name_or_file(tmp_path, monkeypatch):
    assert names() == ("hf-bart", "signbart")
    for name in names():
        assert mappings.find(name).family == name
    assert mappings.find(None) == mappings.find("signbart") == mappings.signbart()
    monkeypatch.chdir(tmp_path)
    text = mappings.signbart().path.read_text()
    for file in ("mine.yaml", "mine"):
        (tmp_path / file).write_text(text.replace("family: signbart", f"family: {file}"))
        assert mappings.find(file).family == mappings.find(tmp_path / file).family == file
    with pytest.raises(PortError, match=r"^bart: neither a file nor a mapping's name\. Known"):
        mappings.find("bart")
    with pytest.raises(PortError, match=r"^bart\.yaml: does not exist"):
        mappings.find("bart.yaml")


def test_a_mapping_knows_its_file():
    mapping = mappings.signbart()
    assert mapping.path.name == "signbart.yaml"
    assert mapping.sha256 == hashlib.sha256(mapping.path.read_bytes()).hexdigest()
    assert mapping.family == "signbart"
    assert mapping.unwrap == ("model", "state_dict", "model_state_dict")
    assert mapping.strip_prefixes == ("module.", "_orig_mod.")
    line = mapping.rules[0].line
    assert XY in mapping.path.read_text().splitlines()[line - 1]
    assert mapping.at(line) == f"signbart.yaml:{line}"


def test_a_pattern_that_stands_for_too_many_names_is_refused_at_once(tmp_path):
    """Three numbers of layers inside one another: a million names of a file of one kilobyte."""
    text = mappings.signbart().path.read_text()
    axes = "".join(f"  {name}: {{range: max_position_embeddings}}\n" for name in "pqr")
    text = text.replace("axes:\n", f"axes:\n{axes}", 1)
    text = text.replace(XY, XY.replace("projection.{xy}", "{p}.{q}.{r}.{xy}"), 1)
    (tmp_path / "many.yaml").write_text(text)
    mapping = transfer.load(tmp_path / "many.yaml")
    sizes = CONFIG.replace(max_position_embeddings=100).sizes()
    with pytest.raises(PortError, match=r"stands for 2,000,000 names, more than any model has"):
        transfer.plan(mapping, sizes)
