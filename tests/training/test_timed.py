"""A scorer that reads streams and times, from a store to scores: in training, on ranks, from checkpoints, of files."""

import json

import lightning as L
import numpy as np
import pytest
import torch

from clipit_lightning import SummarizationTask, TVSumDataModule
from clipit_lightning.data.store import Store
from clipit_lightning.pipelines.trained_run import load_run
from clipit_lightning.training.scorers import read_scorer
from tests.support.batches import TimedScorer
from tests.support.commands import train, train_here
from tests.support.timed_store import STREAMS, write_timed

NAME = "tests.support.batches:TimedScorer"
WORDS = (f"model.name={NAME}", "data.crop=20", "data.captions=3", "loss.policy=1")
AUGMENTED = ("data.setting=augmented", "data.sources=[summe]", "data.caption_source=another")


@pytest.fixture
def root(stores, tmp_path):
    for name in ("tvsum", "summe"):
        write_timed(stores / f"{name}.h5", tmp_path / f"data/{name}.h5")
    return tmp_path / "data"


def naive_scores(scorer, video, module):
    """Scores of a whole video by what its store says."""
    item = (video.features, module.text(video), module.spans(video))
    return scorer(*map(torch.from_numpy, item)).scores.detach().numpy()


@pytest.mark.slow
@pytest.mark.parametrize(
    "words", [(), ("data.setting=augmented", "data.sources=[summe]", "data.caption_source=another")]
)
def test_a_run_measures_and_scores_with_streams_and_times(root, tmp_path, words):
    train_here(root, tmp_path / "run", *WORDS, *words)
    tested = json.loads((tmp_path / "run/scores.json").read_text())
    run = load_run(tmp_path / "run")
    source = "another" if words else "own"
    module = TVSumDataModule(root, captions=3, folds=2, caption_source=source)
    module.setup()
    for fold in (0, 1):
        scorer, options = read_scorer(tmp_path / f"run/folds/{fold}/best.ckpt")
        assert list(options["streams"].items()) == list(STREAMS.items())
        assert [layer.in_features for layer in scorer.layers.values()] == list(STREAMS.values())
        of_file = run.score(root / "tvsum.h5", fold=fold)
        for name in module.folds[fold].test:
            video = module.item(module.ids.index(name))
            np.testing.assert_allclose(naive_scores(scorer, video, module), tested[name], atol=1e-6)
            if source == "own":
                np.testing.assert_allclose(of_file[video.key], tested[name], atol=1e-6)
                unknown = run.score(video.features, module.text(video), fold=fold)
                assert np.abs(unknown - tested[name]).max() > 1e-6


@pytest.mark.slow
def test_spans_of_an_array_have_to_fit_its_text(root, tmp_path):
    train_here(root, tmp_path / "run", *WORDS, "data.fold=0", "optim.epochs=1")
    run, (video, *_) = load_run(tmp_path / "run"), Store(root / "tvsum.h5").read()
    captions, spans = video.caption_features, video.caption_spans
    known = run.score(video.features, captions, spans=spans)
    assert not np.array_equal(known, run.score(video.features, captions, spans=spans * 0))
    with pytest.raises(ValueError, match=r"spans have shape \(1, 2\), but \(\d, 2\) is needed"):
        run.score(video.features, captions, spans=spans[:1])
    with pytest.raises(ValueError, match="a file brings its own"):
        run.score(root / "tvsum.h5", spans=spans)


@pytest.mark.distributed
def test_ranks_read_the_same_streams_and_times(root, tmp_path):
    train_here(root, tmp_path / "one", *WORDS, "data.fold=0")
    train(root, tmp_path / "two", *WORDS, "data.fold=0", "trainer.devices=2")
    one, two = (json.loads((tmp_path / name / "scores.json").read_text()) for name in ("one", "two"))
    assert one.keys() == two.keys()
    for video, scores in one.items():
        np.testing.assert_allclose(two[video], scores, atol=1e-5)


@pytest.mark.slow
def test_a_task_in_python_trains_predicts_and_loads_again(root, tmp_path):
    data = TVSumDataModule(root, captions=3, crop=20, batch_size=4)
    data.setup()
    sizes = {"feature_dim": data.feature_dim, "text_dim": data.text_dim}
    task = SummarizationTask(TimedScorer, **sizes, streams=data.streams, width=3)
    quiet = {"accelerator": "cpu", "logger": False, "enable_progress_bar": False, "enable_checkpointing": False}
    trainer = L.Trainer(max_epochs=1, **quiet)
    trainer.fit(task, data)
    trainer.save_checkpoint(tmp_path / "a.ckpt")
    again = SummarizationTask.load_from_checkpoint(tmp_path / "a.ckpt")
    assert again.streams == STREAMS
    predicted = {video: scores for batch in trainer.predict(again, data) for video, scores in batch.items()}
    for name, scores in predicted.items():
        video = data.item(data.ids.index(name))
        np.testing.assert_allclose(naive_scores(task.scorer.eval(), video, data), scores, atol=1e-6)
    with pytest.raises(ValueError, match=r"streams are visual:13, and the batches have visual:8, .*streams=data"):
        trainer.fit(SummarizationTask(TimedScorer, **sizes), data)
    with pytest.raises(ValueError, match=r"streams \(visual:8\) are not the 13 features of a step"):
        SummarizationTask("mlp", **sizes, streams={"visual": 8})
