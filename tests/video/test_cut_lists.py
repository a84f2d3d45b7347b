import csv
import io

from clipit_lightning.video.cut_lists import cut_list_csv, cut_list_edl


def test_csv_has_frames_and_seconds():
    rows = list(csv.DictReader(io.StringIO(cut_list_csv([(0, 24), (50, 99)], [(0.0, 1.0), (2.0, 4.0)]))))
    assert rows == [
        {"shot": "1", "start_frame": "0", "end_frame": "24", "start_seconds": "0.000000", "end_seconds": "1.000000"},
        {"shot": "2", "start_frame": "50", "end_frame": "99", "start_seconds": "2.000000", "end_seconds": "4.000000"},
    ]


def test_edl_in_cmx_3600():
    text = cut_list_edl([(0.0, 1.0), (3661.0, 3662.52)], 25, "/films/my film.mp4")
    assert text.splitlines() == [
        "TITLE: my film",
        "FCM: NON-DROP FRAME",
        "",
        "001  AX       AA/V  C        00:00:00:00 00:00:01:00 00:00:00:00 00:00:01:00",
        "* FROM CLIP NAME: my film.mp4",
        "",
        "002  AX       AA/V  C        01:01:01:00 01:01:02:13 00:00:01:00 00:00:02:13",
        "* FROM CLIP NAME: my film.mp4",
    ]
    assert "  V     C  " in cut_list_edl([(0.0, 1.0)], 25, "a.mp4", has_audio=False)


def test_edl_counts_frames_where_a_second_holds_no_whole_number():
    seconds = [(first * 1001 / 30000, after * 1001 / 30000) for first, after in [(0, 1800), (17982, 18000)]]
    lines = [line for line in cut_list_edl(seconds, 30000 / 1001, "a.mp4").splitlines() if line[:3].isdigit()]
    assert [line.split()[4:] for line in lines] == [
        ["00:00:00:00", "00:01:00:00", "00:00:00:00", "00:01:00:00"],
        ["00:09:59:12", "00:10:00:00", "00:01:00:00", "00:01:00:18"],
    ]
