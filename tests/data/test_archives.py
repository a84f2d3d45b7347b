import io
import stat
import struct
import tarfile
import warnings
import zipfile

import numpy as np
import pytest

from clipit_lightning.core.errors import UserError
from clipit_lightning.data import archives
from clipit_lightning.data.archives import extract, folder_name, is_archive

SYMLINK, DEVICE = stat.S_IFLNK | 0o777, stat.S_IFCHR | 0o666
NOISE = np.random.default_rng(0).bytes(50_000)


def write_zip(path, members, modes=None, compression=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", compression) as packed:
        for name, content in members:
            info = zipfile.ZipInfo("name")
            info.filename = name  # set afterwards: the constructor cleans names
            info.external_attr = (modes or {}).get(name, 0) << 16
            info.compress_type = compression
            with warnings.catch_warnings(action="ignore"):  # the library warns of names that come twice
                packed.writestr(info, content)
    return path


def write_tar(path, members, kind=tarfile.REGTYPE, target=""):
    with tarfile.open(path, "w:gz" if path.suffix == ".gz" else "w") as packed:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, target
            info.size = len(content) if kind == tarfile.REGTYPE else 0
            packed.addfile(info, io.BytesIO(content))
    return path


WRITERS = {"x.zip": write_zip, "x.tar": write_tar, "x.tar.gz": write_tar}


def refused(archive, match):
    """The archive is refused in one line, and nothing is left of it."""
    before = sorted(archive.parent.iterdir())
    with pytest.raises(UserError, match=match) as error:
        extract(archive, archive.parent / "to")
    assert "\n" not in str(error.value)
    assert sorted(archive.parent.iterdir()) == before


@pytest.mark.parametrize("name", WRITERS)
def test_files_and_folders_come_out_as_they_were(tmp_path, name):
    members = [("a.txt", b"one"), ("deep/er/b.bin", NOISE), ("./c", b""), ("deep/é", b"2")]
    archive = WRITERS[name](tmp_path / name, members)
    folder = extract(archive, tmp_path / "new" / "to")
    found = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert found == {"a.txt": b"one", "deep/er/b.bin": NOISE, "c": b"", "deep/é": b"2"}
    assert [path.name for path in folder.parent.iterdir()] == ["to"]


def test_empty_folders_and_plain_modes(tmp_path):
    archive = write_zip(tmp_path / "x.zip", [("empty/", b""), ("run", b"x")], {"run": stat.S_IFREG | 0o4777})
    folder = extract(archive, tmp_path / "to")
    assert (folder / "empty").is_dir()
    assert not (folder / "run").stat().st_mode & (stat.S_ISUID | 0o111)
    (tmp_path / "ours").mkdir()
    assert folder.stat().st_mode == (tmp_path / "ours").stat().st_mode


def test_what_macos_adds_is_left_out(tmp_path):
    members = [("Set/GT/a.mat", b"1"), ("__MACOSX/Set/GT/._a.mat", b"2"), ("Set/GT/._a.mat", b"3")]
    folder = extract(write_zip(tmp_path / "x.zip", members), tmp_path / "to")
    assert [path.name for path in folder.rglob("*.mat")] == ["a.mat"]


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize(
    ("member", "match"),
    [
        ("../out", "leads out"),
        ("a/../../out", "leads out"),
        ("a/..", "leads out"),
        ("/etc/out", "absolute"),
        ("//server/out", "absolute"),
        ("C:/out", "absolute or Windows"),
        ("..\\out", "absolute or Windows"),
        ("a\nb", "control characters"),
        ("n" * 256, "too long"),
        ("é" * 128, "too long"),
        ("/".join(["deep"] * 300), "too long"),
    ],
)
def test_names_that_lead_elsewhere_are_refused(tmp_path, name, member, match):
    refused(WRITERS[name](tmp_path / name, [("good", b"1"), (member, b"2")]), match)


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize(
    "members",
    [("Same.txt", "same.TXT"), ("twice", "twice"), ("é", "e\u0301"), ("a", "a/b"), ("a/b", "A"), ("x/../x", "x")],
)
def test_names_that_collide_are_refused(tmp_path, name, members):
    refused(WRITERS[name](tmp_path / name, [(member, b"1") for member in members]), "one name|leads out")


@pytest.mark.parametrize("mode", [SYMLINK, DEVICE])
def test_links_and_devices_in_a_zip_are_refused(tmp_path, mode):
    refused(write_zip(tmp_path / "x.zip", [("link", b"/etc/passwd")], {"link": mode}), "link or device")


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE])
@pytest.mark.parametrize("target", ["/etc/passwd", "../out", "inside"])
def test_links_and_devices_in_a_tar_are_refused(tmp_path, kind, target):
    refused(write_tar(tmp_path / "x.tar", [("link", b"")], kind, target), "link or device")


@pytest.mark.parametrize("name", WRITERS)
def test_a_bomb_is_refused_by_its_ratio(tmp_path, monkeypatch, name):
    monkeypatch.setattr(archives, "FREE_BYTES", 100_000)
    monkeypatch.setattr(archives, "MAX_BYTES", 2_000_000)
    refused(WRITERS[name](tmp_path / name, [(f"{index}", bytes(500_000)) for index in range(6)]), "far more than")


def test_many_copies_of_one_packed_file_are_refused(tmp_path, monkeypatch):
    # The directory names the same bytes again and again: a bomb without a remarkable ratio in any one member.
    monkeypatch.setattr(archives, "FREE_BYTES", 100_000)
    plain = write_zip(tmp_path / "plain.zip", [("0", NOISE)], compression=zipfile.ZIP_STORED).read_bytes()
    start = plain.index(b"PK\x01\x02")
    entry = plain[start : plain.index(b"PK\x05\x06")]
    # The name is the last byte of an entry without extra field and comment.
    copies = b"".join(entry[:-1] + bytes([65 + index]) for index in range(26)) * 5
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 130, 130, len(copies), start, 0)
    monkeypatch.setattr(archives, "MAX_RATIO", 20)
    (tmp_path / "x.zip").write_bytes(plain[:start] + copies + end)
    refused(tmp_path / "x.zip", "far more than|one name")


def test_a_small_file_of_zeros_is_no_bomb(tmp_path):
    folder = extract(write_zip(tmp_path / "x.zip", [("zeros", bytes(10**6))]), tmp_path / "to")
    assert (folder / "zeros").stat().st_size == 10**6


@pytest.mark.parametrize("name", WRITERS)
def test_too_many_files_are_refused(tmp_path, monkeypatch, name):
    monkeypatch.setattr(archives, "MAX_FILES", 20)
    refused(WRITERS[name](tmp_path / name, [(str(index), b"") for index in range(21)]), "more than 20 files")


def test_an_encrypted_zip_is_refused(tmp_path):
    archive = write_zip(tmp_path / "x.zip", [("secret", NOISE)])
    content = bytearray(archive.read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1  # general purpose flags of the directory's entry
    archive.write_bytes(content)
    refused(archive, "is encrypted")


@pytest.mark.parametrize(("says", "match"), [(10, "damaged"), (2000, "another length")])
def test_a_member_of_another_length_than_it_says_is_refused(tmp_path, says, match):
    archive = write_zip(tmp_path / "x.zip", [("liar", bytes(1000))])
    content = bytearray(archive.read_bytes())
    place = content.index(b"PK\x01\x02") + 24  # uncompressed size of the directory's entry
    content[place : place + 4] = struct.pack("<L", says)
    archive.write_bytes(content)
    refused(archive, match)


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("share", [0.0, 0.02, 0.5, 0.9])
def test_a_truncated_archive_is_refused(tmp_path, name, share):
    archive = WRITERS[name](tmp_path / name, [("a", NOISE), ("b", NOISE)])
    content = archive.read_bytes()
    archive.write_bytes(content[: int(len(content) * share)])
    refused(archive, "damaged")


def test_a_damaged_header_in_a_tar_is_not_taken_for_its_end(tmp_path):
    archive = write_tar(tmp_path / "x.tar", [("a", NOISE), ("second", NOISE)])
    content = bytearray(archive.read_bytes())
    content[content.index(b"second\0\0")] = 99
    archive.write_bytes(content)
    refused(archive, "header is damaged")


def test_a_tar_that_ends_between_two_files_is_refused(tmp_path):
    archive = write_tar(tmp_path / "x.tar", [("a", NOISE), ("b", NOISE)])
    archive.write_bytes(archive.read_bytes()[: 512 + 98 * 512])
    refused(archive, "end is missing")


@pytest.mark.parametrize("name", ["x.zip", "x.tar.gz"])
@pytest.mark.parametrize("seed", range(10))
def test_flipped_bytes_are_noticed_or_harmless(tmp_path, name, seed):
    archive = WRITERS[name](tmp_path / name, [("a", NOISE), ("b/c", NOISE)])
    content, rng = bytearray(archive.read_bytes()), np.random.default_rng(seed)
    for place in rng.integers(0, len(content), 3):
        content[place] ^= int(rng.integers(1, 256))
    archive.write_bytes(content)
    try:
        folder = extract(archive, tmp_path / "to")
    except UserError:
        assert sorted(path.name for path in tmp_path.iterdir()) == [name]
    else:
        assert {path.read_bytes() for path in folder.rglob("*") if path.is_file()} <= {NOISE}


def test_a_folder_that_is_there_is_not_touched(tmp_path):
    archive = write_zip(tmp_path / "x.zip", [("a", b"new")])
    (tmp_path / "to").mkdir()
    (tmp_path / "to" / "a").write_text("old")
    refused(archive, "there already")
    assert (tmp_path / "to" / "a").read_text() == "old"


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path):
    archive = write_zip(tmp_path / "x.zip", [("a", b"new")])
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="choose another folder"):
        extract(archive, tmp_path / "file" / "to")


def test_an_interruption_leaves_nothing(tmp_path, monkeypatch):
    def interrupt(_):
        raise KeyboardInterrupt

    archive = write_zip(tmp_path / "x.zip", [("a", b"new")])
    monkeypatch.setattr(archives.os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        extract(archive, tmp_path / "to")
    assert [path.name for path in tmp_path.iterdir()] == ["x.zip"]


@pytest.mark.parametrize(
    ("name", "folder"),
    [("SumMe.zip", "SumMe"), ("a.tar.gz", "a"), ("A.TGZ", "A"), ("b.tar", "b"), ("c.tar.xz", "c"), ("d.tar.bz2", "d")],
)
def test_archives_are_known_by_their_names(name, folder):
    assert is_archive(name)
    assert folder_name(name) == folder


def test_other_files_are_no_archives():
    assert not is_archive("ydata-tvsum50.mat")
    assert folder_name("ydata-tvsum50.mat") == "ydata-tvsum50.mat"
