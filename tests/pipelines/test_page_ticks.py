"""Ticking shots on the page of a summary, and the cut lists that a browser saves of it."""

import time

import numpy as np
import pytest

from clipit_lightning import summarize
from clipit_lightning.pipelines.page import Curve, CutLists, Page, Shot, VideoPage, address, write_page
from tests.support.browser import browser, needs_browser
from tests.support.videos import write_video

ENTER = "\ue007"
STATUS = "document.querySelector('.length').textContent"
CSV = "shot,start_seconds,end_seconds\n" + "".join(f"{shot},{shot - 1},{shot}\n" for shot in range(1, 11))
CLIP = "* FROM CLIP NAME: 1 $& <b>.mp4"
DROP_FRAME = f"""\
TITLE: FCM: DROP $1
FCM: DROP FRAME

001  AX       AA/V  C        00:00:00;00 00:00:59;28 00:00:00;00 00:00:59;28
{CLIP}
002  AX       AA/V  C        00:00:59;28 00:10:00;00 00:00:59;28 00:10:00;00
{CLIP}
003  AX       AA/V  C        00:10:00;00 00:11:00;02 00:10:00;00 00:11:00;02
{CLIP}
"""


@pytest.fixture(scope="module")
def window(tmp_path_factory):
    with browser(tmp_path_factory.mktemp("profile")) as window:
        yield window


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """A page of ten shots of a second; 3, 4 and 7 are the summary, and fill the budget."""
    folder = tmp_path_factory.mktemp("page")
    source = write_video(folder / "whole.mp4", n_frames=250, audio=None)
    shots = tuple(Shot(start, start + 1, start in (2, 3, 6), 0.5) for start in range(10))
    video = VideoPage(
        "A title",
        10.0,
        Curve(np.arange(0, 10, 0.5), np.arange(20.0)),
        shots,
        video=address(source, folder / "page.html"),
        cut_lists=CutLists(CSV, DROP_FRAME, 30, budget=3.0),
    )
    write_page(Page("A title", (video,)), folder / "page.html")
    return folder / "page.html"


def tick(window, *shots):
    for shot in shots:
        window.run(f"document.querySelector('[data-shot=\"{shot}\"]').click()")


def saved(window, name, folder):
    """What a button saves."""
    (folder / name).unlink(missing_ok=True)
    window.command("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(folder))
    window.find(f"[data-save='{name}']").send_keys(ENTER)
    for _ in range(400):
        if (folder / name).exists():
            return (folder / name).read_text(encoding="utf-8")
        time.sleep(0.02)
    raise AssertionError(f"{name} was not saved")


@needs_browser
def test_the_lists_of_an_untouched_page_are_those_beside_it(window, tmp_path):
    name = """001 "q" 'a' <script>alert(1)<!-- &lt; $& é 👩‍🚀 \u202e.mp4"""
    source = write_video(tmp_path / name, n_frames=200, audio=None)
    made = summarize(source, tmp_path / "made", "hsv", budget="3s")
    window.open(made.page)
    assert f"{made.cut.chosen.sum()} of {len(made.cut.shots)} shots, " in window.run(f"return {STATUS}")
    assert "over" not in window.run(f"return {STATUS}")
    for file in ("cuts.csv", "cuts.edl"):
        assert saved(window, file, tmp_path) == (made.folder / file).read_text(encoding="utf-8")
    assert window.complaints() == []


@needs_browser
def test_ticks_change_the_length_the_curve_and_the_list(window, page, tmp_path):
    window.open(page)
    whole = window.run("return document.querySelector('svg .chosen').getAttribute('d')")
    assert window.run(f"return {STATUS}") == "3 of 10 shots, 3.0 s, 30.0 % of the video; budget 3.0 s"
    assert saved(window, "cuts.csv", tmp_path).splitlines()[1:] == ["1,2,3", "2,3,4", "3,6,7"]
    tick(window, 3)
    assert window.run(f"return {STATUS}") == "2 of 10 shots, 2.0 s, 20.0 % of the video; budget 3.0 s"
    assert "2 of 10 shots chosen: 0:02 of 0:10." in window.find("figcaption").text
    assert window.run("return document.querySelector('svg .chosen').getAttribute('d')").startswith("M300,0H400V200")
    tick(window, 1, 9)
    assert window.run(f"return {STATUS}").endswith("40.0 % of the video; 1.0 s over the budget of 3.0 s")
    assert window.run("return document.querySelectorAll('.length.over').length") == 1
    assert saved(window, "cuts.csv", tmp_path).splitlines()[1:] == ["1,0,1", "2,3,4", "3,6,7", "4,8,9"]
    window.find("[data-reset]").send_keys(ENTER)
    assert window.run(f"return {STATUS}").startswith("3 of 10 shots")
    tick(window, 3, 4, 7)
    assert window.run(f"return {STATUS}").startswith("0 of 10 shots, 0.0 s")
    assert window.run("return document.querySelectorAll('button:disabled').length") == 3
    assert whole == "M200,0H300V200H200zM300,0H400V200H300zM600,0H700V200H600z"


@needs_browser
def test_an_edl_of_what_is_ticked_counts_drop_frames(window, page, tmp_path):
    window.open(page)
    tick(window, 1, 2, 4, 7)  # 1, 2 and 3 are ticked
    assert saved(window, "cuts.edl", tmp_path) == DROP_FRAME
    tick(window, 1)
    assert saved(window, "cuts.edl", tmp_path).splitlines()[3:] == [
        "001  AX       AA/V  C        00:00:59;28 00:10:00;00 00:00:00;00 00:09:00;02",
        CLIP,
        "002  AX       AA/V  C        00:10:00;00 00:11:00;02 00:09:00;02 00:10:00;02",
        CLIP,
    ]


@needs_browser
def test_ticks_have_names_and_work_by_keyboard(window, page):
    window.open(page, width=390, dark=True)
    box = window.find("[data-shot='4']")
    assert (box.aria_role, box.accessible_name) == ("checkbox", "Shot 4, 0:03 to 0:04")
    box.send_keys(" ")
    assert window.run(f"return {STATUS}").startswith("2 of 10 shots")
    assert window.find(".length").aria_role == "status"
    window.run("for (const list of document.querySelectorAll('details')) list.open = true")
    assert window.run("return document.documentElement.scrollWidth <= innerWidth")


@needs_browser
def test_without_a_script_there_is_nothing_to_tick(window, page):
    window.command("Emulation.setScriptExecutionDisabled", value=True)
    try:
        window.open(page)
        shown = [text for text in window.find("main").text.splitlines() if "0:0" in text]
        boxes = window.driver.find_elements("css selector", "input, [data-save], [data-play]")
        assert boxes
        assert not any(box.is_displayed() for box in boxes)
    finally:
        window.command("Emulation.setScriptExecutionDisabled", value=False)
    assert {"0:02 to 0:03 score 0.50", "0:03 to 0:04 score 0.50", "0:06 to 0:07 score 0.50"} <= set(shown)
    assert "0:00 to 0:01" not in " ".join(shown)


@needs_browser
def test_the_player_shows_what_is_ticked_until_somebody_seeks(window, page):
    window.open(page)
    window.wait("document.querySelector('video').readyState >= 1")
    window.run(
        "document.querySelector('video').ontimeupdate = ({ target }) => (window.seen ??= []).push(target.currentTime)"
    )
    tick(window, 3)  # 4 and 7 are ticked
    window.find("[data-play]").send_keys(ENTER)
    window.wait("window.seen?.at(-1) > 6.5")
    assert all(3 <= at < 4.1 or at >= 6 for at in window.run("return window.seen"))
    window.wait("document.querySelector('video').paused")
    assert window.run("return document.querySelector('video').currentTime") == pytest.approx(7, abs=0.1)
    window.find("[data-play]").send_keys(ENTER)
    window.wait("!document.querySelector('video').paused && !document.querySelector('video').seeking")
    window.run("document.querySelector('video').currentTime = 8.5")
    window.wait("document.querySelector('video').currentTime > 9")
