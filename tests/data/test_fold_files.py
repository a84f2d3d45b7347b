import json
from dataclasses import replace

import pytest

from clipit_lightning.core.errors import UserError
from clipit_lightning.data import BENCHMARKS, benchmark_names
from clipit_lightning.data.fold_files import convert_fold_file, families, load_family, read_fold_file
from clipit_lightning.data.folds import Fold, FoldFamily, folds_of_family, make_folds
from tests.support.synthetic import SHARED, needs_shared

PUBLISHED = {
    (family, dataset, setting): file.format(dataset=dataset, title=BENCHMARKS[dataset].title)
    for dataset in ("summe", "tvsum")
    for family, setting, file in (
        ("csta", "canonical", "csta/{title}_splits.txt"),
        ("dsnet", "canonical", "dsnet/{dataset}.yml"),
        ("dsnet", "augmented", "dsnet/{dataset}_aug.yml"),
        ("dsnet", "transfer", "dsnet/{dataset}_trans.yml"),
        ("msva", "canonical", "msva/{dataset}_random_non_overlap_splits.json"),
        ("msva-ordered", "canonical", "msva/{dataset}_ordered_non_overlap_splits.json"),
        ("pglsum", "canonical", "pglsum/{dataset}_splits.json"),
        ("vasnet", "canonical", "vasnet/{dataset}_splits.json"),
        ("vasnet", "augmented", "vasnet/{dataset}_aug_splits.json"),
    )
}
NAMES = {"AwmHb44_ouw": "video_1", "98MoyGZKHXc": "video_2", "-esJrBWj2d8": "video_3", "Base jumping": "video_4"}
H5 = "../datasets/eccv16_dataset_{}_google_pool5.h5/video_{}"


def ids(dataset, numbers=None):
    return [f"{dataset}/video_{number}" for number in sorted(numbers or BENCHMARKS[dataset].numbers)]


def write(folder, content, name="mine.json"):
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def only_fold(path, dataset="tvsum", names=NAMES):
    (fold,) = read_fold_file(path, dataset, names).folds
    return fold


def refused(folder, content, name="mine.json", dataset="tvsum"):
    with pytest.raises(UserError) as caught:
        read_fold_file(write(folder, content, name), dataset, NAMES)
    assert "\n" not in str(caught.value)
    assert name in str(caught.value)
    return str(caught.value)


EXPECTED = Fold(0, tuple(ids("tvsum", [1, 2])), (), tuple(ids("tvsum", [3])))


@pytest.mark.parametrize(
    "content",
    [
        [{"train_keys": ["video_1", "video_2"], "test_keys": ["video_3"]}],  # PGL-SUM, VASNet, MSVA
        [{"train_keys": [H5.format("tvsum", 2), H5.format("tvsum", 1)], "test_keys": [H5.format("tvsum", 3)]}],  # DSNet
        [{"train": ["eccv16_dataset_tvsum_google_pool5/video_1", "tvsum/video_2"], "test": ["video_3"]}],
        [{"train": ["tvsum/AwmHb44_ouw", "video_2"], "test": [3], "val": [], "seed": 7}],
        {"train": [2, 1], "test": ["3"]},
        {"split0": {"train": [1, 2], "test": [3]}},
        {"folds": [{"train": {"tvsum": [1, 2]}, "test": [3]}]},
        {"folds": {"a": {"training": [1, 2], "test": {"tvsum": [3]}}}, "dataset": "tvsum", "setting": "canonical"},
    ],
)
def test_json_layouts_give_the_same_folds(tmp_path, content):
    assert only_fold(write(tmp_path, content)) == EXPECTED


@pytest.mark.parametrize(
    ("content", "name"),
    [
        ("TVSum/split0/video_1,video_2/video_3\n", "mine.txt"),  # CSTA
        ("# train/test\n\n video_2, AwmHb44_ouw / -esJrBWj2d8  # the last\n", "mine.txt"),
        (f"- test_keys: [{H5.format('tvsum', 3)}]\n  train_keys:\n  - {H5.format('tvsum', 1)}\n  - 2\n", "mine.yml"),
    ],
)
def test_txt_and_yaml_layouts_give_the_same_folds(tmp_path, content, name):
    assert only_fold(write(tmp_path, content, name)) == EXPECTED


def test_yaml_cannot_make_objects(tmp_path):
    ran = tmp_path / "ran"
    assert "line 1: tags are not read" in refused(tmp_path, f"!!python/object/apply:os.mkdir ['{ran}']", "mine.yaml")
    assert not ran.exists()


def test_validation_parts_are_kept(tmp_path):
    listed = {"train": [1], "val_keys": [5], "test": [3]}
    for content, name in (([listed], "a.json"), ("1/5/3", "a.txt"), ("TVSum/split0/1/5/3", "b.txt")):
        fold = only_fold(write(tmp_path, content, name))
        assert fold == Fold(0, ("tvsum/video_1",), ("tvsum/video_5",), ("tvsum/video_3",))


def test_names_with_spaces_are_met_with_underscores_and_only_in_their_benchmark(tmp_path):
    fold = only_fold(write(tmp_path, [{"train": ["Base_jumping"], "test": ["tvsum/video_9"]}]))
    assert fold.train == ("tvsum/video_4",)
    assert "is no video of ovp" in refused(tmp_path, [{"train": ["ovp/AwmHb44_ouw"], "test": [3]}])


def test_the_setting_follows_from_what_trains(tmp_path):
    trains = {"canonical": [1, "tvsum/video_2"], "augmented": [1, "ovp/video_1"], "transfer": ["ovp/video_1"]}
    for setting, train in trains.items():
        family = read_fold_file(write(tmp_path, [{"train": train, "test": [3]}]), "tvsum", {})
        assert family.setting == setting
    both = [{"train": trains["canonical"], "test": [3]}, {"train": trains["transfer"], "test": [3]}]
    assert "several settings (canonical, transfer)" in refused(tmp_path, both)
    claimed = {"setting": "transfer", "folds": [{"train": [1], "test": [3]}]}
    assert "says setting transfer" in refused(tmp_path, claimed)


@pytest.mark.parametrize(
    ("fold", "message"),
    [
        ({"train": [1], "test": ["video_77"]}, "fold 1, test: video_77 is no video of tvsum; there are video_1 to"),
        ({"train": ["youtube/video_22"], "test": [3]}, "youtube/video_22 is no video of youtube"),
        ({"train": ["cosum/video_1"], "test": [3]}, "cosum/video_1 names no benchmark"),
        ({"train": [True], "test": [3]}, "True is no video"),
        ({"train": [None], "test": [3]}, "fold 1, train: a NoneType is no video"),
        ({"train": [1, 3], "test": [3]}, "fold 1: tvsum/video_3 is in both train and test"),
        ({"train": [1, "AwmHb44_ouw"], "test": [3]}, "fold 1: tvsum/video_1 is twice in train"),
        ({"train": [], "test": [3]}, "fold 1: the train part is empty or missing"),
        ({"train": [1]}, "fold 1: the test part is empty or missing; it has train"),
        ({"train": [1], "tset": [3]}, "fold 1: tset is no part"),
        ({"train": [1], "train_keys": [2], "test": [3]}, "fold 1: train_keys is no part, or one given twice"),
        ({"train": [1], "test": ["ovp/video_3"]}, "fold 1: ovp/video_3 is tested, but these are folds of tvsum"),
        ({"train": "video_1", "test": [3]}, "fold 1, train: tvsum is not a list"),
        ({"train": [1], "test": [3], "dataset": "summe"}, "fold 1 is one of summe, not of tvsum"),
    ],
)
def test_a_wrong_fold_is_named_with_its_wrong_video(tmp_path, fold, message):
    assert message in refused(tmp_path, [{"train": [1], "test": [3]}, fold])


@pytest.mark.parametrize(
    ("content", "name", "message"),
    [
        ("[1, 2", "mine.json", "not valid json"),
        ("[" * 100_000, "mine.json", "not valid json"),  # too deep
        ("a: [1\nb: }", "mine.yaml", "not a YAML file that can be read (line 2: "),
        ("- &a [1]\n- *a", "mine.yaml", "line 1: anchors and aliases are not read"),
        ("", "mine.yaml", "none of the known layouts"),
        ([["video_1"]], "mine.json", "none of the known layouts"),
        ({"scores": 3}, "mine.json", "none of the known layouts"),
        ("video_1,video_2", "mine.txt", "line 1 has 1 fields"),
        ("SumMe/split0/video_1/video_2", "mine.txt", "fold 0 is one of summe"),
        ("video_1/video_2", "mine.csv", "none of the known layouts"),
    ],
)
def test_a_file_of_no_known_layout_is_refused(tmp_path, content, name, message):
    assert message in refused(tmp_path, content, name)


def test_files_that_cannot_be_read_are_refused(tmp_path):
    with pytest.raises(UserError, match=r"cannot read .*absent\.json: No such file"):
        read_fold_file(tmp_path / "absent.json", "tvsum", {})


def test_the_hash_depends_on_the_folds_alone():
    family = load_family("csta", "tvsum", "canonical")
    turned = tuple(Fold(fold.index, fold.train[::-1], (), fold.test[::-1]) for fold in family.folds)
    assert FoldFamily("other", "tvsum", "canonical", "elsewhere", turned).content_hash == family.content_hash
    assert FoldFamily("csta", "tvsum", "canonical", "", family.folds[:4]).content_hash != family.content_hash
    assert family.content_hash == "7cda70ea"  # stands in results: it must not change from one version to the next


def test_a_converted_file_reads_back_the_same(tmp_path):
    folds = [
        {"train": ["video_10", "video_9", "ovp/video_3"], "validation": [7, "youtube/video_12"], "test": [2, 1]},
        {"train": ["video_1", "ovp/video_3"], "test": [2, 11]},
    ]
    path, to = write(tmp_path, folds, "my folds.json"), tmp_path / "out" / "ours.json"
    said = convert_fold_file(path, "tvsum", "augmented", to=to)
    original, converted = (read_fold_file(file, "tvsum", {}) for file in (path, to))
    assert original.folds == converted.folds
    assert (converted.name, converted.source, converted.setting) == ("my-folds", "my folds.json", "augmented")
    assert f"hash {original.content_hash}" in said
    assert (
        '{"train":{"ovp":[3],"tvsum":[9,10]},"validation":{"tvsum":[7],"youtube":[12]},"test":[1,2]},' in to.read_text()
    )


def test_a_conversion_says_what_the_folds_hold(tmp_path):
    rest = list(range(4, 26))
    folds = [{"train": [2, *rest], "test": [1, 3]}, {"train": [1, *rest], "test": [2, 3]}]
    said = convert_fold_file(write(tmp_path, [*folds, folds[0]]), "summe", name="ours").splitlines()
    assert said[0].startswith("ours: 3 canonical folds of summe, hash ")
    assert said[2:] == [
        "fold 0: 2 test, 23 train (23 summe), no validation part",
        "fold 1: 2 test, 23 train (23 summe), no validation part",
        "fold 2: as fold 0",
        f"never tested: 22 of 25 ({', '.join(f'video_{number}' for number in rest)})",
        "tested more than once: 1 of 25 (video_3)",
        "overlapping test parts: folds 0 and 1 share 1",
    ]
    few = convert_fold_file(write(tmp_path, [{"train": [2, 4], "test": [1]}]), "summe")
    assert "fold 0: 1 test, 2 train (2 summe), no validation part, 22 in no part" in few


def test_a_conversion_refuses_another_setting_and_a_bad_target(tmp_path):
    path = write(tmp_path, [{"train": [1], "test": [3]}])
    before = path.read_text()
    with pytest.raises(UserError, match="these are canonical folds, by the videos that train; not transfer ones"):
        convert_fold_file(path, "tvsum", "transfer", to=tmp_path / "out.json")
    for to in (path, tmp_path / "out.yaml"):
        with pytest.raises(UserError, match=r"another file, whose name ends in \.json"):
            convert_fold_file(path, "tvsum", to=to)
    with pytest.raises(UserError, match="a family's name has letters"):
        convert_fold_file(path, "tvsum", name="../other")
    assert path.read_text() == before
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_families_are_listed_by_benchmark_and_setting():
    for dataset in ("tvsum", "summe"):
        assert families(dataset, "canonical") == ("csta", "dsnet", "msva", "msva-ordered", "pglsum", "vasnet")
        assert families(dataset, "augmented") == ("dsnet", "vasnet")
        assert families(dataset, "transfer") == ("dsnet",)
    assert families("ovp", "canonical") == ()
    with pytest.raises(UserError, match=r"data\.family=csta: no augmented .*tvsum.*; there are kfold, dsnet, vasnet"):
        load_family("csta", "tvsum", "augmented")
    with pytest.raises(UserError, match=r"data\.family=\.\./families/csta"):
        load_family("../families/csta", "tvsum", "canonical")


@pytest.mark.parametrize(("name", "dataset", "setting"), PUBLISHED)
def test_shipped_families_are_whole(name, dataset, setting):
    family = load_family(name, dataset, setting)
    assert (family.name, family.dataset, family.setting) == (name, dataset, setting)
    assert family.source.startswith("github.com/")
    target, size = set(ids(dataset)), len(ids(dataset))
    assert [fold.index for fold in family.folds] == [0, 1, 2, 3, 4]
    for fold in family.folds:
        assert len(fold.test) == (size if setting == "transfer" else size // 5)
        assert (
            set(fold.train)
            == {
                "canonical": target.difference(fold.test),
                "augmented": {*others(dataset), *target}.difference(fold.test),
                "transfer": set(others(dataset)),
            }[setting]
        )
        assert fold.validation == ()


@pytest.mark.parametrize(("name", "dataset", "setting"), PUBLISHED)
@needs_shared
def test_shipped_files_equal_a_fresh_conversion(name, dataset, setting, tmp_path):
    shipped = load_family(name, dataset, setting)
    path = SHARED / "splits" / PUBLISHED[name, dataset, setting]
    assert shipped.source.endswith(f"/{path.name}")
    convert_fold_file(path, dataset, setting, name, to=tmp_path / "fresh.json")
    fresh = read_fold_file(tmp_path / "fresh.json", dataset, {})
    assert replace(fresh, source=shipped.source) == shipped


def others(dataset):
    return [video for other in benchmark_names("annotated") if other != dataset for video in ids(other)]


@pytest.mark.parametrize(("name", "dataset", "setting"), [key for key in PUBLISHED if key[2] != "transfer"])
def test_a_family_keeps_its_tests_and_validates_on_a_fifth_of_the_targets_training_part(name, dataset, setting):
    family = load_family(name, dataset, setting)
    folds = folds_of_family(family, ids(dataset), others(dataset), 0.2, 0)
    assert [fold.test for fold in folds] == [fold.test for fold in family.folds]
    for fold, listed in zip(folds, family.folds, strict=True):
        assert len(fold.validation) == {"tvsum": 8, "summe": 4}[dataset]
        assert all(video.startswith(f"{dataset}/") for video in fold.validation)
        assert sorted((*fold.train, *fold.validation)) == sorted(listed.train)
        assert set(fold.validation).isdisjoint(fold.train)
    assert len({fold.validation for fold in folds}) == 5
    assert folds_of_family(family, ids(dataset), others(dataset), 0.2, 1) != folds


def test_dsnets_transfer_lists_are_one_partition_five_times_and_equal_ours():
    for dataset in ("summe", "tvsum"):
        family = load_family("dsnet", dataset, "transfer")
        assert len({(fold.train, fold.test) for fold in family.folds}) == 1
        folds = folds_of_family(family, ids(dataset), others(dataset), 0.2, 3)
        assert folds == make_folds(ids(dataset), others(dataset), "transfer", 5, 0.2, 3)


def test_videos_that_the_stores_lack_are_named():
    family = load_family("dsnet", "tvsum", "augmented")
    with pytest.raises(UserError) as caught:
        folds_of_family(family, ids("tvsum", set(range(1, 51)) - {7, 12}), ids("summe") + ids("youtube"))
    assert "name 52 videos that the stores lack: " in str(caught.value)
    assert "ovp/video_1, ovp/video_2, ovp/video_3 and 47 more of ovp, tvsum/video_7, tvsum/video_12;" in str(
        caught.value
    )
    more = folds_of_family(load_family("csta", "summe", "canonical"), [*ids("summe"), "summe/video_26"], [])
    assert not any("summe/video_26" in (*fold.train, *fold.validation, *fold.test) for fold in more)


def test_listed_validation_parts_are_used_and_too_few_videos_to_carve_one_are_refused():
    train, held, test = (tuple(ids("tvsum", numbers)) for numbers in ([1, 2], [5], [3]))
    listed, unlisted = (FoldFamily("ours", "tvsum", "canonical", "", (Fold(0, train, v, test),)) for v in (held, ()))
    assert folds_of_family(listed, ids("tvsum"), [], 0.5, 9) == list(listed.folds)
    with pytest.raises(UserError, match="2 training videos are too few to keep 2 for validation"):
        folds_of_family(unlisted, ids("tvsum"), [])
