// Shots that can be ticked off and on: the length of what is ticked, its shading in the curve, its cut lists.
for (const section of page.all("[data-cut-lists]")) {
  const lists = JSON.parse(section.dataset.cutLists);
  const shots = page.spans(section, "shots");
  const boxes = page.all("[data-shot]", section).sort((one, other) => one.dataset.shot - other.dataset.shot);
  const ticked = (rows) => rows.filter((_, shot) => boxes[shot].checked);

  const text = (seconds) => (seconds < 60 ? `${seconds.toFixed(1)} s` : page.clock(seconds));
  const update = () => {
    const chosen = ticked(shots);
    const whole = Number(section.dataset.length);
    const length = chosen.reduce((sum, [start, end]) => sum + end - start, 0);
    section.dataset.chosen = chosen.map((span) => span.join("-")).join(" ");

    const x = (time) => Math.round((1000 * time) / whole);
    const path = chosen.map(([start, end]) => `M${x(start)},0H${Math.max(x(end), x(start) + 1)}V200H${x(start)}z`);
    for (const shading of page.all("svg .chosen, svg .picked", section)) shading.setAttribute("d", path.join(""));

    const count = `${chosen.length} of ${shots.length} shots`;
    const over = length - (lists.budget ?? Infinity);
    const isOver = over > 0.5 / lists.rate; // half a frame: times are rounded
    const status = section.querySelector(".length");
    status.textContent = `${count}, ${text(length)}, ${((100 * length) / whole).toFixed(1)} % of the video`;
    if (isOver) status.append(`; ${text(over)} over the budget of ${text(lists.budget)}`);
    else if (lists.budget !== null) status.append(`; budget ${text(lists.budget)}`);
    status.classList.toggle("over", isOver);
    section.querySelector(".tally").textContent = `${count} chosen: ${page.clock(length)}`;
    for (const button of page.all("[data-save], [data-play]", section)) button.disabled = !chosen.length;
  };

  const csv = () => {
    const [columns, ...rows] = lists.csv.trimEnd().split("\n");
    return [columns, ...ticked(rows).map((row, index) => row.replace(/^\d+/, index + 1)), ""].join("\n");
  };

  // Drop frame timecodes omit two numbers a minute (four at 59.94) except every tenth.
  const [header, ...events] = lists.edl.split(/^(?=\d+ )/m);
  const skipped = /^FCM: DROP/m.test(header) ? lists.rate / 15 : 0;
  const frameOf = (code) => {
    const [hours, minutes, seconds, frames] = code.split(/[:;]/).map(Number);
    const minute = 60 * hours + minutes;
    return (60 * minute + seconds) * lists.rate + frames - skipped * (minute - Math.floor(minute / 10));
  };
  const timecode = (frame) => {
    const minute = 60 * lists.rate - skipped;
    const [tens, rest] = [Math.floor(frame / (10 * minute + skipped)), frame % (10 * minute + skipped)];
    const number = frame + skipped * (9 * tens + Math.max(0, Math.floor((rest - skipped) / minute)));
    const seconds = Math.floor(number / lists.rate);
    const words = [seconds / 3600, (seconds / 60) % 60, seconds % 60, number % lists.rate];
    const [hours, minutes, second, frames] = words.map((word) => String(Math.floor(word)).padStart(2, "0"));
    return `${hours}:${minutes}:${second}${skipped ? ";" : ":"}${frames}`;
  };
  const edl = () => {
    let at = 0; // where the next shot begins in the list
    const moved = ticked(events).map((event, index) =>
      event.replace(/^\d+(.*) (\S+) (\S+)$/m, (_, middle, start, end) => {
        const from = at;
        at += frameOf(end) - frameOf(start);
        return `${String(index + 1).padStart(3, "0")}${middle} ${timecode(from)} ${timecode(at)}`;
      }));
    return `${(header + moved.join("")).trimEnd()}\n`;
  };

  const save = (name, content) => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([content], { type: "text/plain" }));
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  };

  // The player shows what is ticked, shot by shot, until somebody seeks.
  const player = section.querySelector("video[data-whole]");
  let tour = []; // shots that are still to be shown, the first is on
  const follow = () => {
    if (!tour.length) return;
    const [[, end], next] = tour;
    if (player.ended || (!player.seeking && player.currentTime > end - 0.01)) {
      tour.shift();
      if (!next) player.pause();
      else if (next[0] > end) player.currentTime = next[0];
    }
    requestAnimationFrame(follow);
  };
  const play = () => page.show(section, "whole", () => {
    if (!tour.length) requestAnimationFrame(follow);
    tour = ticked(shots);
    player.currentTime = tour[0][0];
    player.play().catch(() => {}); // a browser may refuse to start by itself; the controls remain
    section.querySelector(".player").scrollIntoView({ block: "nearest" });
  });
  for (const name of player ? ["seeking", "emptied"] : []) {
    player.addEventListener(name, () => {
      if (tour.length && Math.abs(player.currentTime - tour[0][0]) > 0.05) tour = [];
    });
  }

  section.addEventListener("change", (event) => event.target.matches("[data-shot]") && update());
  section.addEventListener("click", (event) => {
    const button = event.target.closest("[data-save], [data-play], [data-reset]");
    if (!button) return;
    if (button.dataset.save) save(button.dataset.save, button.dataset.save.endsWith("csv") ? csv() : edl());
    else if (button.matches("[data-play]")) play();
    else for (const box of boxes) box.checked = box.defaultChecked;
    update();
  });

  for (const frame of page.all(".gallery button, .script li > button", section)) {
    const at = Number(frame.dataset.time);
    const shot = shots.findIndex(([start, end]) => start <= at && at < end);
    const picture = frame.querySelector("img").cloneNode();
    picture.alt = "";
    boxes[shot]?.closest("li").querySelector("button").prepend(picture);
  }
  for (const element of page.all(".needs-script", section)) element.hidden = false;
  update();
}
