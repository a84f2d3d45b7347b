import json
import shutil

import h5py
import numpy as np
import pytest

from clipit_lightning.core.errors import UserError
from clipit_lightning.data.importing import import_distributed
from clipit_lightning.data.qfvs import QFVS
from clipit_lightning.data.qfvs_annotations import CONCEPTS, query_of, read_oracle
from clipit_lightning.data.store import Store
from tests.support import synthetic_qfvs as fake
from tests.support.synthetic import SHARED, needs_shared

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return fake.write_qfvs(tmp_path_factory.mktemp("source"))


@pytest.fixture
def copy(source, tmp_path):
    return shutil.copytree(source, tmp_path / "copy")


def import_row(folder, to):
    return {row.dataset: row for row in import_distributed([folder], to)}["qfvs"]


def test_what_is_written_is_what_was_distributed(source, tmp_path):
    row = import_row(source, tmp_path)
    assert (row.videos, row.features, row.shots) == ("4", "fake (12)", "520")
    assert "valid" in row.result
    assert "P01 has 5 of 45 queries" in row.result
    assert Store(tmp_path / "qfvs.h5").check() == []
    for video in Store(tmp_path / "qfvs.h5").read_queries():
        assert video.names == tuple("_".join(query) for query in sorted(fake.QUERIES))
        np.testing.assert_array_equal(video.features, fake.shot_features(video.key))
        np.testing.assert_array_equal(video.tags, fake.make_tags(video.key))
        for number, query in enumerate(sorted(fake.QUERIES)):
            np.testing.assert_array_equal(1 + np.flatnonzero(video.oracle[number]), fake.oracle_shots(video.key, query))
            rows = [CONCEPTS.index(name) for name in query]
            np.testing.assert_array_equal(video.query_features[number], fake.concept_features()[rows])
            assert video.sentences[number] == f"Scenes with {query[0]} and {query[1]}"


def test_segments_give_the_same_store_and_surplus_features_are_omitted_with_a_notice(source, tmp_path):
    segments = fake.write_qfvs(tmp_path / "segments", features="segments")
    fake.write_own_features(segments / "qfvs_text.h5")
    with h5py.File(segments / "qfvs_text.h5", "a") as file:  # of our own file only the concepts remain
        for key in QFVS.videos:
            del file[key]
    row = import_row(segments, tmp_path / "one")
    import_row(source, tmp_path / "two")
    assert row.features == "clip (12)"
    assert "P04 has 3 features more than tags" in row.result
    assert Store(tmp_path / "one/qfvs.h5").content_hash() == Store(tmp_path / "two/qfvs.h5").content_hash()


def test_too_few_features_are_refused(copy, tmp_path):
    with h5py.File(copy / "qfvs_fake.h5", "a") as file:
        rows = file["P03/features"][()]
        del file["P03/features"]
        file["P03/features"] = rows[:-1]
    with pytest.raises(UserError, match="P03 has features of 99 shots, but tags of 100"):
        import_row(copy, tmp_path)


def test_embeddings_of_the_concepts_are_needed_and_put_in_order_whatever_their_spelling(copy, tmp_path):
    spelled = {"Cupglass": "Cup/Glass", "Musicalinstrument": "Instrument", "Petsanimal": "Pets Animal"}
    order = np.random.default_rng(0).permutation(len(CONCEPTS))
    with h5py.File(copy / "qfvs_fake.h5", "a") as file:
        del file["concepts"], file["concept_features"]
        file["concepts"] = [spelled.get(CONCEPTS[row], f"'{CONCEPTS[row]}'") for row in order]
        file["concept_features"] = fake.concept_features()[order]
    import_row(copy, tmp_path)
    video = Store(tmp_path / "qfvs.h5").read_queries()[0]
    np.testing.assert_array_equal(video.query_features, fake.concept_features()[video.queries])
    with h5py.File(copy / "qfvs_fake.h5", "a") as file:
        del file["concept_features"]
    with pytest.raises(UserError, match="no embeddings of the concepts"):
        import_row(copy, tmp_path)


def test_sentences_get_their_embeddings_where_a_file_has_them(copy, tmp_path):
    sentences = sorted({entry["query"] for entry in json.loads((copy / "queries.json").read_text()).values()})
    rows = np.random.default_rng(0).normal(size=(len(sentences), fake.SIZE)).astype(np.float32)
    with h5py.File(copy / "qfvs_fake.h5", "a") as file:
        file["sentences"], file["sentence_features"] = sentences, rows
    import_row(copy, tmp_path)
    video = Store(tmp_path / "qfvs.h5").read_queries()[1]
    item = video.items()[3]
    np.testing.assert_array_equal(item.text(sentence=True)[2], rows[sentences.index(video.sentences[3])])
    assert item.text().shape == (2, fake.SIZE)


def test_captions_are_kept_where_their_embeddings_are_known(copy, tmp_path):
    rows = np.random.default_rng(0).normal(size=(7, fake.SIZE)).astype(np.float32)
    with h5py.File(copy / "qfvs_fake.h5", "a") as file:
        file["P01/captions"], file["P01/caption_features"] = ["a", "b", "c"], rows[:3]
        for key in ("P02", "P03"):  # a caption a shot: features are made of it, or of the picture
            shown = np.arange(len(file[f"{key}/features"])) % 7
            file[f"{key}/captions"] = [f"caption {number}" for number in shown]
            if key == "P02":
                file["P02/features"][...] = rows[shown]
    import_row(copy, tmp_path)
    first, second, *others = Store(tmp_path / "qfvs.h5").read_queries()
    assert first.captions == ("a", "b", "c")
    np.testing.assert_array_equal(first.caption_features, rows[:3])
    assert len(second.captions) == len(second.caption_features) == 15
    for caption, embedded in zip(second.captions, second.caption_features, strict=True):
        np.testing.assert_array_equal(embedded, rows[int(caption.split()[1])])
    assert [(video.captions, video.caption_features) for video in others] == [((), None)] * 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0\n5\n", r"line 1: shot 0, but shots count from 1 to 30.*counting from 0"),
        ("5\n31\n", r"line 2: shot 31, but shots count from 1 to 30"),
        ("5\nx\n", r"line 2: 'x' is no shot number"),
        ("5\n\n5\n", r"line 3: shot 5 stands twice"),
        ("\n", "holds no shot"),
    ],
)
def test_an_oracle_file_that_is_off_is_refused(tmp_path, text, message):
    (tmp_path / "Car_Food_oracle.txt").write_text(text)
    with pytest.raises(UserError, match=message):
        read_oracle(tmp_path / "Car_Food_oracle.txt", 30)


@pytest.mark.parametrize("name", ["Car_oracle.txt", "Car_Food_Sky_oracle.txt", "Car_Spaceship_oracle.txt"])
def test_an_oracle_file_with_another_name_is_refused(tmp_path, name):
    with pytest.raises(UserError, match="two of the 48 concepts"):
        query_of(tmp_path / name)


def test_both_forms_of_the_tags_must_agree_but_for_the_last_shot(copy, tmp_path):
    tags = {key: fake.make_tags(key) for key in QFVS.videos}
    tags["P01"][-1] = 0
    fake.write_tags_mat(copy / "Tags.mat", tags)
    assert "P01's last shot" in import_row(copy, tmp_path).result
    video = Store(tmp_path / "qfvs.h5").read_queries()[0]
    assert not video.tags[-1].any(), "published code measures with Tags.mat"
    tags["P02"][7] = 1 - tags["P02"][7]
    fake.write_tags_mat(copy / "Tags.mat", tags)
    with pytest.raises(UserError, match=r"P02: Tags\.mat and P02\.txt differ in 1 shots, first in shot 8"):
        import_row(copy, tmp_path)


@pytest.mark.parametrize("missing", ["Tags.mat", "Dense_per_shot_tags", "queries.json"])
def test_one_form_of_the_tags_is_enough_and_sentences_are_optional(copy, tmp_path, missing):
    path = copy / missing
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert "valid" in import_row(copy, tmp_path).result


def test_what_is_missing_is_named_without_hindering_other_benchmarks(copy, tmp_path):
    shutil.rmtree(copy / "Oracle_summaries/P02")
    with pytest.raises(UserError, match="no oracle summaries of P02"):
        import_row(copy, tmp_path)
    shutil.rmtree(copy / "Oracle_summaries")
    assert import_row(copy, tmp_path).result.startswith("missing (oracle summaries)")


def test_damaged_files_are_refused_before_anything_is_written(copy, tmp_path):
    path = copy / "Dense_per_shot_tags/P03/P03.txt"
    path.write_text(path.read_text().replace("\n", "\nSpaceship,", 1))
    with pytest.raises(UserError, match=r"P03\.txt: line 2: 'Spaceship'"):
        import_row(copy, tmp_path)
    (copy / "Tags.mat").write_bytes(b"MATLAB 5.0 MAT-file" + bytes(200))
    with pytest.raises(UserError, match=r"Tags\.mat: not the tags of QFVS"):
        import_row(copy, tmp_path)
    content = (copy / "qfvs_fake.h5").read_bytes()
    (copy / "qfvs_fake.h5").write_bytes(content[: len(content) // 2])
    with pytest.raises(UserError, match=r"qfvs_fake\.h5: not a readable HDF5 file"):
        import_row(copy, tmp_path)
    assert not (tmp_path / "qfvs.h5").exists()


def test_faults_of_a_store_are_named(source, tmp_path):
    import_row(source, tmp_path)
    faults = {
        "P01/oracle": (lambda rows: rows[:-1], "P01: oracle has shape (4, 120), expected (5, 120)"),
        "P03/oracle": (lambda rows: rows * 0, "P03: query 0 has an empty"),
        "P04/queries": (lambda rows: rows + 40, "P04: queries name"),
    }
    with h5py.File(tmp_path / "qfvs.h5", "a") as file:
        for name, (damage, _) in faults.items():
            rows = file[name][()]
            del file[name]
            file[name] = damage(rows)
    problems = " | ".join(Store(tmp_path / "qfvs.h5").check())
    assert all(words in problems for _, words in faults.values()), problems


@needs_shared
def test_the_real_distribution_is_imported_whole(tmp_path):
    row = {row.dataset: row for row in import_distributed([SHARED / "qfvs", SHARED / "h5"], tmp_path)}["qfvs"]
    assert (row.shots, row.annotations) == ("12215", "oracle summaries of 180 queries")
    assert "valid" in row.result
    videos = Store(tmp_path / "qfvs.h5").read_queries()
    assert [video.n_steps for video in videos] == [2783, 3692, 2152, 3588]
    assert len({concept for video in videos for concept in video.queries.ravel().tolist()}) == 47
