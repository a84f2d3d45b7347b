"use strict";
// One listener a kind of event for the whole page: a report may hold hundreds of videos.
const page = (() => {
  const WIDTH = 1000;
  const all = (selector, inside = document) => [...inside.querySelectorAll(selector)];
  const sectionOf = (element) => element.closest(".video");
  const lengthOf = (section) => Number(section.dataset.length);
  const limit = (value, low, high) => Math.min(Math.max(value, low), high);

  const moment = (section, at) => {
    if (section.dataset.unit === "frames") return `frame ${Math.round(at).toLocaleString("en")}`;
    return clock(at);
  };
  const clock = (seconds) => {
    const whole = Math.max(0, Math.floor(seconds + 0.5));
    const two = (number) => String(number).padStart(2, "0");
    const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
    return hours ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
  };

  // Shots as [start, end] in seconds of the source, by the first name that the section has: `segments`, exactly what a
  // summary file holds, one after another; `chosen`, what is ticked now; `shots`, all.
  const spans = (section, ...names) => {
    const words = section.dataset[names.find((name) => name in section.dataset)].split(" ").filter(Boolean);
    return words.map((word) => word.split("-").map(Number));
  };
  const segments = (section) => spans(section, "segments");
  const toSummary = (section, time) => {
    let before = 0;
    for (const [start, end] of segments(section)) {
      if (start <= time && time < end) return before + time - start;
      before += end - start;
    }
    return null;
  };
  const toSource = (section, time) => {
    let before = 0;
    for (const [start, end] of segments(section)) {
      if (time < before + end - start - 1e-3) return start + time - before; // a browser rounds where it was sent
      before += end - start;
    }
    const last = segments(section).at(-1);
    return last ? last[1] : time;
  };

  // What a drawn line says at a time: the picture is the only copy of the numbers.
  const heights = (line) => line.points.numberOfItems && Array.from(line.points, (point) => [point.x, point.y]);
  const kept = new WeakMap();
  const valueAt = (section, name, share) => {
    const line = section.querySelector(`.timeline polyline.${name}`);
    if (!line) return null;
    if (!kept.has(line)) kept.set(line, heights(line));
    const points = kept.get(line);
    const x = share * WIDTH;
    const next = points.findIndex((point) => point[0] > x);
    const [left, right] = next < 1 ? [points.at(next), points.at(next)] : [points[next - 1], points[next]];
    const y = right[0] > left[0] ? left[1] + ((right[1] - left[1]) * (x - left[0])) / (right[0] - left[0]) : left[1];
    const { dataset } = section.querySelector(".timeline");
    const [low, high] = dataset[name].split(" ").map(Number);
    const digits = limit(Math.ceil(-Math.log10((high - low) / 50)), 0, 9); // what a picture of 200 units can tell
    return (high - ((high - low) * y) / Number(dataset.height)).toFixed(digits);
  };

  const describe = (section, time) => {
    const share = time / lengthOf(section);
    const parts = [moment(section, time)];
    for (const [name, label] of [["score", "score"], ["mean", "annotators"]]) {
      const value = valueAt(section, name, share);
      if (value !== null) parts.push(`${label} ${value}`);
    }
    if (spans(section, "chosen", "segments").some(([start, end]) => start <= time && time < end)) parts.push("chosen");
    return parts.join(", ");
  };

  const place = (section, time, speak = true) => {
    const timeline = section.querySelector(".timeline");
    const cursor = section.querySelector(".cursor");
    cursor.hidden = false;
    cursor.style.left = `${(100 * time) / lengthOf(section)}%`;
    timeline.setAttribute("aria-valuenow", time.toFixed(3));
    timeline.setAttribute("aria-valuetext", describe(section, time));
    if (speak) section.querySelector(".readout").textContent = describe(section, time);
    const starts = spans(section, "shots", "segments").filter(([start, end]) => start <= time + 1e-3 && time < end);
    for (const button of all("[data-time]", section)) {
      const at = Number(button.dataset.time);
      button.classList.toggle("now", starts.some(([start, end]) => start - 1e-3 <= at && at < end));
    }
  };

  const show = (section, what, then) => {
    const video = section.querySelector("video");
    const address = video.dataset[what];
    const playing = !video.paused && !video.ended;
    for (const button of all("[data-show]", section)) {
      button.setAttribute("aria-pressed", String(button.dataset.show === what));
    }
    if (video.getAttribute("src") === address) return then(video);
    video.addEventListener("loadedmetadata", () => {
      then(video);
      if (playing) video.play().catch(() => {}); // a browser may refuse to start by itself; the controls remain
    }, { once: true });
    video.setAttribute("src", address);
  };
  const shown = (video) => (video.getAttribute("src") === video.dataset.summary ? "summary" : "whole");
  const sourceTime = (section, video) =>
    shown(video) === "summary" ? toSource(section, video.currentTime) : video.currentTime;

  const seek = (section, wanted) => {
    const time = limit(wanted, 0, lengthOf(section));
    const video = section.querySelector("video");
    if (!video) return place(section, time);
    const within = video.dataset.summary === undefined ? null : toSummary(section, time);
    if (shown(video) === "summary" && within !== null) {
      show(section, "summary", (player) => { player.currentTime = within; });
      return place(section, time);
    }
    if (video.dataset.whole !== undefined) {
      show(section, "whole", (player) => { player.currentTime = time; });
      return place(section, time);
    }
    const next = segments(section).find(([start]) => start >= time) ?? segments(section).at(-1);
    if (!next) return place(section, time);
    show(section, "summary", (player) => { player.currentTime = toSummary(section, next[0]); });
    return place(section, next[0]);
  };

  const timeAt = (timeline, event) => {
    const box = timeline.getBoundingClientRect();
    return limit((event.clientX - box.left) / box.width, 0, 1) * lengthOf(sectionOf(timeline));
  };

  document.addEventListener("click", (event) => {
    const element = event.target.closest("[data-time], [data-show], .timeline");
    if (!element) return;
    const section = sectionOf(element);
    if (element.matches("[data-time]")) {
      seek(section, Number(element.dataset.time));
      section.querySelector(".player")?.scrollIntoView({ block: "nearest" });
    } else if (element.matches("[data-show]")) {
      const video = section.querySelector("video");
      const time = sourceTime(section, video);
      const what = element.dataset.show;
      show(section, what, (player) => { player.currentTime = what === "summary" ? toSummary(section, time) ?? 0 : time; });
    } else {
      seek(section, timeAt(element, event));
    }
  });

  document.addEventListener("keydown", (event) => {
    if (!event.target.matches(".timeline") || event.ctrlKey || event.metaKey || event.altKey) return;
    const section = sectionOf(event.target);
    const now = Number(event.target.getAttribute("aria-valuenow"));
    const step = Math.max(1, lengthOf(section) / 300);
    const starts = spans(section, "chosen", "segments").map(([start]) => start);
    const to = {
      ArrowRight: now + step, ArrowUp: now + step, ArrowLeft: now - step, ArrowDown: now - step,
      Home: 0, End: lengthOf(section),
      PageDown: starts.find((start) => start > now + 1e-3) ?? now,
      PageUp: starts.findLast((start) => start < now - 1e-3) ?? now,
    }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    seek(section, to);
  });

  document.addEventListener("pointermove", (event) => {
    const timeline = event.target.closest?.(".timeline");
    if (!timeline || event.pointerType === "touch") return;
    const section = sectionOf(timeline);
    section.querySelector(".readout").textContent = describe(section, timeAt(timeline, event));
  });

  // Events of a player do not bubble; they can be caught on the way down.
  document.addEventListener("timeupdate", (event) => {
    const section = sectionOf(event.target);
    if (!event.target.seeking) place(section, limit(sourceTime(section, event.target), 0, lengthOf(section)), false);
  }, true);
  document.addEventListener("error", (event) => {
    if (!event.target.matches?.("video")) return;
    const note = event.target.parentElement.querySelector(".missing");
    note.querySelector("code").textContent = decodeURI(event.target.getAttribute("src"));
    note.hidden = false;
  }, true);
  // A video's first picture is loaded when its part of a report is opened, not before.
  document.addEventListener("toggle", (event) => {
    const video = event.target.open && event.target.matches(".video") && event.target.querySelector("video");
    if (video) video.preload = "metadata";
  }, true);
  document.addEventListener("loadedmetadata", (event) => {
    event.target.parentElement.querySelector(".missing").hidden = true;
  }, true);

  return { all, clock, show, spans };
})();
