import re

import numpy as np
import pytest

from clipit_lightning.core.errors import UserError
from clipit_lightning.pipelines import charts
from clipit_lightning.pipelines.page import (
    Curve,
    CutLists,
    KeyFrame,
    Line,
    LineChart,
    Metric,
    Page,
    Shot,
    Span,
    Spread,
    Table,
    Track,
    VideoPage,
    address,
    render_page,
    write_page,
)
from clipit_lightning.video.frames import thumbnails
from tests.support.browser import browser, needs_browser
from tests.support.videos import write_video

NASTY = (
    "<script>alert(1)</script>",
    "\"'><img src=x onerror=alert(1)>",
    "</title></style></script><b>",
    "{{ 7*7 }} {% raw %}",
    "\u202e\u05e7\u05d5\u05d1\u05e5 & \u0639\u0631\u0628\u064a",  # a right-to-left override, Hebrew, Arabic
    "👩‍🚀 🎬",
    "a\x00b\ud800c",
)


def points(text):
    return [tuple(map(int, word.split(","))) for word in text.split()]


def made_page(source=None, page=None, **of):
    """A page of ten seconds with two chosen shots: 2 to 4 and 6 to 7."""
    times = np.arange(0, 10, 0.5)
    shots = tuple(Shot(start, start + 1, start in (2, 3, 6), 0.5) for start in range(10))
    frames = tuple(KeyFrame(time, b"\xff\xd8", "a caption") for time in (2.5, 6.5))
    content = {"curve": Curve(times, np.sin(times)), "shots": shots, "key_frames": frames}
    content["video"] = address(source, page) if source else None
    return Page("A title", (VideoPage("A title", 10.0, **content | of),))


def report_page(count=6):
    times = np.arange(0, 100, 2.0)
    rng = np.random.default_rng(0)
    videos = tuple(
        VideoPage(
            f"video {number}",
            100.0,
            Curve(times, rng.random(50)),
            (Shot(0, 40), Shot(40, 60, True), Shot(60, 100)),
            annotators=Spread(rng.random(50), rng.random(50) - 1, rng.random(50) + 1),
            tracks=(Track("Worst", (Span(10, 30, "too high"),)),),
            metrics=(Metric("tau", f"{number / 10:.3f}", number / 10), Metric("F1", str(60 - number), 60.0 - number)),
        )
        for number in range(count)
    )
    lines = tuple(Line(f"fold {fold}", [1, 2, 3], [0.1, 0.2, 0.1 + fold / 10], selected=1) for fold in range(2))
    table = Table("Each fold", ("Fold", "tau"), (("0", "0.1"), ("1", "0.2")))
    return Page("A run", videos, notice="MINI", charts=(LineChart("Loss", "epoch", lines),), tables=(table,))


def test_a_short_curve_keeps_every_point():
    drawn = points(charts.line([0, 1, 2, 4], [0, 1, 0.5, 1], 4, charts.Axis(0, 1)))
    assert drawn == [(0, 200), (250, 0), (500, 100), (1000, 0)]


def test_a_long_curve_keeps_the_extremes_of_every_column():
    rng = np.random.default_rng(0)
    values = rng.normal(size=20_000)
    axis = charts.axis_of([values])
    line = points(charts.line(np.arange(20_000), values, 20_000, axis))
    assert len(line) <= 2 * charts.COLUMNS + 2
    assert line == sorted(line, key=lambda point: point[0])
    for column in range(charts.COLUMNS):
        part = values[column * 50 : column * 50 + 50]
        x = [column * 1000 / charts.COLUMNS, (column + 1) * 1000 / charts.COLUMNS]
        drawn = {y for at, y in line if x[0] - 1 <= at <= x[1] + 1}
        assert {int(axis.y([part.min()])[0]), int(axis.y([part.max()])[0])} <= drawn


def test_spans_that_touch_are_one_and_short_ones_are_seen():
    assert charts.spans([(20, 30), (0, 10), (10, 20)], 100) == "M0,0H300V200H0z"
    assert charts.spans([(50, 50.001), (99.99, 100)], 100) == "M500,0H501V200H500zM1000,0H1000V200H1000z"


def test_an_axis_has_round_ticks_that_stand_where_they_say():
    for low, high in ((0, 1), (0.494, 0.499), (-3, 1200), (1e-6, 3e-6), (5, 5), (0, 0)):
        axis = charts.axis_of([[low, high]])
        assert 1 <= len(axis.ticks) <= 6
        for value, text, y in axis.ticks:
            assert float(text) == pytest.approx(value)
            assert y == int(axis.y([float(text)])[0])
            assert axis.low <= value <= axis.high
    with pytest.raises(ValueError, match="not finite"):
        charts.axis_of([[0, np.nan]])


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00"), (59.4, "0:59"), (59.5, "1:00"), (3599.7, "1:00:00"), (36_125, "10:02:05")]
)
def test_the_clock(seconds, text):
    assert charts.clock(seconds) == text


def test_texts_of_users_are_escaped_everywhere():
    nasty = " ".join(NASTY)
    shot = Shot(0, 1, True, 0.5, nasty)
    video = VideoPage(
        nasty,
        1.0,
        Curve([0.0], [1.0], nasty),
        (shot,),
        source=nasty,
        video=nasty,
        summary=nasty,
        annotators=Spread([0.5], label=nasty),
        tracks=(Track(nasty, (Span(0, 1, nasty),)),),
        key_frames=(KeyFrame(0.0, b"", nasty),),
        query=nasty,
        facts=((nasty, nasty),),
        metrics=(Metric(nasty, nasty, 1.0),),
        cut_lists=CutLists(nasty, nasty, 25),
    )
    chart = LineChart(nasty, nasty, (Line(nasty, [0, 1], [0, 1]),))
    table = Table(nasty, (nasty,), ((nasty,),))
    page = Page(nasty, (video, video), nasty, nasty, (), ((nasty, nasty),), (chart,), nasty, nasty, (table,), nasty)
    text = render_page(page)
    ours = {"script": 1, "style": 1, "title": 2, "img": 2, "b": 2}  # a chart has a title, a metric is bold
    assert {tag: len(re.findall(f"<{tag}[ >]", text)) for tag in ours} == ours
    assert "{{ 7*7 }}" in text
    assert "onerror=alert(1)>" not in text


def test_a_page_with_strange_texts_can_be_written_and_read(tmp_path):
    page = Page(" ".join(NASTY), (VideoPage("\ud800", 1.0, Curve([0.0], [1.0]), query=NASTY[4]),))
    write_page(page, tmp_path / "page.html")
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "👩‍🚀" in text
    assert '<q dir="auto">\u202e' in text


def test_the_same_page_has_the_same_bytes_and_no_address_outside(tmp_path):
    for name in ("one", "two"):
        write_page(report_page(), tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    text = (tmp_path / "one").read_text()
    assert not re.findall(r"""(?:src|href)=["'](?!#|data:)|url\(|@import|https?://|//\w+\.""", text)


def test_a_page_where_no_file_can_be_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot write"):
        write_page(made_page(), tmp_path / "file" / "page.html")


def test_addresses_are_relative_and_quoted(tmp_path):
    page = tmp_path / "pages" / "page.html"
    assert address(tmp_path / "pages" / "a b#1?.mp4", page) == "./a%20b%231%3F.mp4"
    assert address(tmp_path / "videos" / "é.mp4", page) == "./../videos/%C3%A9.mp4"
    assert address(tmp_path / "pages" / "javascript:x.mp4", page).startswith("./javascript%3Ax")


@pytest.fixture(scope="module")
def window(tmp_path_factory):
    with browser(tmp_path_factory.mktemp("profile")) as window:
        yield window


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A page of a ten-second video with a summary beside it, in a folder with a strange name."""
    folder = tmp_path_factory.mktemp("a b#1%é")
    source = write_video(folder / "whole one.mp4", n_frames=250, audio=None)
    summary = write_video(folder / "summary.mp4", n_frames=75, audio=None)
    jpeg = thumbnails(source, [60], 160)[60]
    frames = tuple(KeyFrame(time, jpeg, "caption <b>") for time in (2.5, 6.5))
    for name, of in (("both", {"summary": address(summary, folder / "x")}), ("whole", {}), ("none", {"video": None})):
        write_page(made_page(source, folder / name, key_frames=frames, **of), folder / f"{name}.html")
    alone = made_page(None, folder / "x", key_frames=frames, summary=address(summary, folder / "x"))
    write_page(alone, folder / "alone.html")
    write_page(report_page(), folder / "report.html")
    return folder


READY = "document.querySelector('video').readyState >= 1"
TIME = "document.querySelector('video').currentTime"


@needs_browser
@pytest.mark.parametrize("name", ["both", "whole", "alone", "none", "report"])
def test_a_page_loads_from_a_file_without_a_request_or_a_complaint(window, folder, name):
    for width, dark in ((1100, False), (320, True)):
        window.open(folder / f"{name}.html", width=width, dark=dark)
        window.wait("document.readyState === 'complete'")
        if name in ("both", "whole", "alone"):
            window.wait(READY)
        asked = {request.rpartition("/")[2] for request in window.requests()}
        assert asked <= {"summary.mp4", "whole%20one.mp4"}
        assert window.complaints() == []
        assert window.run("return document.documentElement.scrollWidth <= innerWidth")
        assert window.run("return [...document.images].every((image) => image.naturalWidth > 0)")


@needs_browser
def test_key_frames_shots_and_the_curve_move_the_player(window, folder):
    window.open(folder / "whole.html")
    window.wait(READY)
    window.run("document.querySelector('.gallery button').click()")
    window.wait(f"{TIME} === 2.5")
    window.run("document.querySelectorAll('.shots button')[2].click()")
    window.wait(f"{TIME} === 6")
    assert window.run("return document.querySelectorAll('button.now').length") == 2  # the shot and its key frame
    timeline = window.find(".timeline")
    box = timeline.rect
    from selenium.webdriver import ActionChains

    ActionChains(window.driver).move_to_element_with_offset(timeline, int(box["width"] * 0.3), 0).click().perform()
    window.wait(f"Math.abs({TIME} - 8) < 0.1")
    assert window.run("return document.querySelector('.cursor').style.left").startswith(("79.", "80."))
    assert "0:08, score" in timeline.get_attribute("aria-valuetext")


@needs_browser
def test_the_keyboard_alone_is_enough(window, folder):
    from selenium.webdriver.common.keys import Keys

    window.open(folder / "whole.html")
    window.wait(READY)
    timeline = window.find(".timeline")
    for keys, time in (("\ue014", 1), ("\ue014", 2), ("\ue012", 1), (Keys.PAGE_DOWN, 2), (Keys.PAGE_DOWN, 3)):
        timeline.send_keys(keys)
        window.wait(f"{TIME} === {time}")
    for keys, time in ((Keys.PAGE_UP, 2), (Keys.END, 10), (Keys.HOME, 0)):
        timeline.send_keys(keys)
        window.wait(f"{TIME} === {time}")
        assert float(timeline.get_attribute("aria-valuenow")) == time
    window.find(".gallery button").send_keys(Keys.ENTER)
    window.wait(f"{TIME} === 2.5")
    assert window.run("return [...document.querySelectorAll('button')].every((each) => each.innerText.trim())")


@needs_browser
def test_the_summary_is_sought_where_its_shots_are_and_the_whole_video_elsewhere(window, folder):
    window.open(folder / "both.html")
    window.wait(READY)
    source = "document.querySelector('video').getAttribute('src')"
    assert window.run(f"return {source}").endswith("summary.mp4")
    window.run("document.querySelectorAll('.gallery button')[1].click()")  # 6.5 in the source
    window.wait(f"{TIME} === 2.5")
    window.wait("document.querySelector('.cursor').style.left === '65%'")
    window.run("document.querySelector('[data-show=whole]').click()")
    window.wait(f"{source}.endsWith('whole%20one.mp4') && Math.abs({TIME} - 6.5) < 0.01")
    window.run("document.querySelector('[data-show=summary]').click()")
    window.wait(f"{source}.endsWith('summary.mp4') && Math.abs({TIME} - 2.5) < 0.01")
    window.find(".timeline").send_keys("\ue010")  # the end is in no chosen shot
    window.wait(f"{source}.endsWith('whole%20one.mp4') && {TIME} > 9.9")
    assert window.run("return document.querySelector('[aria-pressed=true]').dataset.show") == "whole"


@needs_browser
def test_with_the_summary_alone_a_place_outside_goes_to_the_next_chosen_shot(window, folder):
    window.open(folder / "alone.html")
    window.wait(READY)
    timeline = window.find(".timeline")
    timeline.send_keys("\ue014")  # second 1: the next chosen shot begins at 2, where the summary begins
    window.wait("document.querySelector('.timeline').getAttribute('aria-valuenow') === '2.000'")
    timeline.send_keys("\ue010")
    window.wait(f"{TIME} === 2")
    assert timeline.get_attribute("aria-valuenow") == "6.000"


@needs_browser
def test_without_a_player_places_are_still_read_from_the_curve(window, folder):
    window.open(folder / "none.html")
    window.run("document.querySelector('.gallery button').click()")
    assert window.find(".readout").text == "0:03, score 0.60, chosen"  # sin(2.5)
    assert not window.run("return document.querySelector('video')")


@needs_browser
def test_a_missing_video_file_is_said_on_the_page(window, tmp_path):
    write_page(made_page(video="./gone%20away.mp4"), tmp_path / "page.html")
    window.open(tmp_path / "page.html")
    window.wait("!document.querySelector('.missing').hidden")
    assert "gone away.mp4" in window.find(".missing").text


@needs_browser
def test_a_table_sorts_and_filters_its_videos(window, folder):
    window.open(folder / "report.html")
    titles = "[...document.querySelectorAll('details.video:not([hidden]) h2')].map((each) => each.textContent)"
    assert window.run(f"return {titles}") == [f"video {number}" for number in range(6)]
    for column, wanted in ((2, range(5, -1, -1)), (2, range(6)), (0, range(6)), (1, range(6)), (1, range(5, -1, -1))):
        window.run(f"document.querySelectorAll('thead button')[{column}].click()")
        assert window.run(f"return {titles}") == [f"video {number}" for number in wanted]
    assert window.run("return document.querySelectorAll('th[aria-sort]').length") == 1
    window.find("#find").send_keys("EO 3")
    assert window.run(f"return {titles}") == ["video 3"]
    assert window.find("#count").text == "1 of 6"
    assert window.run("return document.querySelector('#v4').open") is False
    window.find("tr:not([hidden]) a").click()
    window.wait("document.querySelector('#v4').open")
    assert window.complaints() == []
