from dataclasses import replace

import numpy as np
import pytest

from clipit_lightning.core.errors import UserError
from clipit_lightning.data.batches import query_tokens
from clipit_lightning.data.queries import QFVSDataModule, leave_one_out

PARTS = {f"qfvs/P0{number}": (f"qfvs/P0{number}/a", f"qfvs/P0{number}/b") for number in range(1, 5)}


def videos(ids):
    return sorted({item.split("/")[1] for item in ids})


def test_every_video_is_tested_once_and_validates_once_or_never():
    folds = leave_one_out(PARTS, validate=True)
    assert [videos(fold.test) for fold in folds] == [["P01"], ["P02"], ["P03"], ["P04"]]
    assert [videos(fold.validation) for fold in folds] == [["P02"], ["P03"], ["P04"], ["P01"]]
    assert [videos(fold.train) for fold in folds] == [["P03", "P04"], ["P01", "P04"], ["P01", "P02"], ["P02", "P03"]]
    folds = leave_one_out(PARTS, validate=False)
    assert [fold.validation for fold in folds] == [()] * 4
    assert videos(folds[1].train) == ["P01", "P03", "P04"]
    with pytest.raises(UserError, match="too few"):
        leave_one_out(dict(list(PARTS.items())[:2]), validate=True)


@pytest.mark.parametrize("workers", [0, 2])
def test_batches_are_of_one_video_whose_features_stand_in_them_once(stores, workers):
    module = QFVSDataModule(stores, batch_size=3, workers=workers)
    module.setup()
    module.fold = 1
    fold = module.folds[1]
    for loader, expected in (
        (module.train_dataloader(), fold.train),
        (module.val_dataloader(), fold.validation),
        (module.test_dataloader(), fold.test),
    ):
        seen = []
        for batch in loader:
            (stack,) = batch.stacks
            items = [module.item(number) for number in stack.number.tolist()]
            assert len({item.video.key for item in items}) == 1
            assert stack.features.shape == (1, items[0].n_steps, 12)
            assert stack.text.shape == (len(items), 2, 12)
            for row, item in enumerate(items):
                np.testing.assert_array_equal(stack.text[row], item.video.query_features[item.query])
                np.testing.assert_array_equal(stack.keyframes[row], item.video.oracle[item.query])
            seen += [item.id for item in items]
        assert sorted(seen) == sorted(expected)
    assert seen == list(fold.test), "evaluation is in order"


def test_every_query_comes_once_an_epoch_and_batches_differ_between_epochs(stores):
    module = QFVSDataModule(stores, batch_size=3, seed=1)
    module.setup()
    loader, epochs = module.train_dataloader(), []
    for epoch in (0, 0, 1):
        loader.sampler.set_epoch(epoch)
        epochs.append([sorted(stack.number.tolist()) for batch in loader for stack in batch.stacks])
    first, again, other = epochs
    assert sorted(number for batch in first for number in batch) == module.training_numbers
    assert [len(batch) for batch in sorted(first, key=len)] == [2, 2, 3, 3]
    assert first == again
    assert sorted(first) != sorted(other)


def test_captions_stand_beside_the_query(stores, caplog):
    module = QFVSDataModule(stores, query_captions=3, oracle_captions=True)
    module.setup()
    item = module.item(0)
    embedding = {
        concept: item.video.query_features[item.video.queries == concept][0] for concept in item.video.queries.flat
    }
    tagged = [[embedding[tag] for tag in np.flatnonzero(row) if tag in embedding] for row in item.video.tags]
    shown = [np.mean(tags, axis=0) for tags in tagged if tags]
    expected = [*item.text(), shown[0], shown[round((len(shown) - 1) / 2)], shown[-1]]
    np.testing.assert_allclose(module.text(item), expected, rtol=1e-5, atol=1e-6)

    captions = np.arange(60, dtype=np.float32).reshape(5, 12)
    item = replace(item, video=replace(item.video, caption_features=captions))
    np.testing.assert_array_equal(
        query_tokens(item, sentence=False, captions=2, oracle=False), [*item.text(), captions[0], captions[-1]]
    )
    without = QFVSDataModule(stores, query_captions=3)
    without.setup()
    assert without.text(without.item(0)).shape == (2, 12)
    assert "has no captions: queries alone are the text" in caplog.text


def test_language_can_be_left_away_and_sentences_need_embeddings(stores):
    module = QFVSDataModule(stores, language=False)
    module.setup()
    assert next(iter(module.test_dataloader())).stacks[0].text.shape[1] == 0
    with pytest.raises(UserError, match=r"data\.sentence: .*no embeddings of sentences"):
        QFVSDataModule(stores, sentence=True).setup()
    with pytest.raises(ValueError, match="no sentence_features"):
        module.item(0).text(sentence=True)
