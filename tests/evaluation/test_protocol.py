import hashlib
import json
from dataclasses import asdict, fields, replace

import pytest

from clipit_lightning.core.config_files import load_config
from clipit_lightning.core.errors import UserError
from clipit_lightning.data.fold_files import families
from clipit_lightning.data.tvsum import TVSUM
from clipit_lightning.evaluation.presets import PRESETS, apply_preset
from clipit_lightning.evaluation.protocol import (
    Protocol,
    check_contradictions,
    evaluation_differences,
    rules_of,
)
from clipit_lightning.training import build


@pytest.fixture
def protocol(stores):
    config = load_config([], [f"data.root={stores}"])
    module = build.datamodule(config)
    module.setup()
    return build.describe_protocol(config, module)


def other_value(value):
    return {str: f"{value}x", float: 0.3, tuple: ("ovp",)}[type(value)]


@pytest.mark.parametrize("name", [field.name for field in fields(Protocol)])
def test_every_choice_changes_the_identifier(protocol, name):
    changed = replace(protocol, **{name: other_value(getattr(protocol, name))})
    assert changed.identifier != protocol.identifier
    training = ("setting", "sources", "training_hash", "data_hash")
    assert (evaluation_differences(protocol, changed) == []) == (name in training)
    assert (changed.evaluation_identifier == protocol.evaluation_identifier) == (name in training)


def test_a_protocol_without_highlights_has_the_identifiers_of_before_there_were_any(protocol):
    values = {name: value for name, value in asdict(protocol).items() if name != "highlights"}
    digest = hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:8]
    assert protocol.identifier.endswith(f"-{digest}")
    assert "highlights" not in protocol.values
    assert "highlights" not in protocol.evaluation
    other = replace(protocol, highlights="ceil")
    assert evaluation_differences(protocol, other) == ["highlights: off against ceil"]
    assert evaluation_differences(other, protocol) == ["highlights: ceil against off"]


def test_presets_fill_what_was_not_chosen():
    config = apply_preset(load_config([], ["protocol.preset=csta", "data.dataset=summe"]))
    chosen = (config.data.family, config.selection, config.protocol.correlation)
    assert chosen == ("csta", "best-on-test", "binary-summary")
    assert apply_preset(config) == config
    kept = apply_preset(load_config([], ["protocol.preset=csta", "selection=last", "data.family=dsnet"]))
    assert (kept.data.family, kept.selection, kept.protocol.correlation) == ("dsnet", "last", "default")
    assert apply_preset(load_config()) == load_config()


def test_every_preset_has_folds_and_says_what_its_code_does():
    for dataset in ("tvsum", "summe"):
        for preset in PRESETS.values():
            assert preset.family in ("kfold", *families(dataset, "canonical"))
            assert preset.about.endswith(".")


def test_sources_keep_their_own_rules():
    chosen = load_config([], ["protocol.correlation=binary-summary", "protocol.f1=max"]).protocol
    target, source = rules_of(chosen, TVSUM), rules_of(chosen, TVSUM, is_target=False)
    assert (target.correlation, target.f1) == ("binary-summary", "max")
    assert (source.correlation, source.f1) == ("per-annotator", "mean")


def test_an_unknown_correlation_rule_is_one_line_before_any_data_are_read():
    config = load_config([], ["protocol.correlation=per-anotator", "data.root=nowhere"])
    with pytest.raises(UserError, match=r"^protocol.correlation: is per-anotator; it must be one of default, "):
        check_contradictions(config)
