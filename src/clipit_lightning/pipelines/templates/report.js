// A report: its table sorts and filters the videos below it, too.
(() => {
  const index = document.getElementById("index");
  if (!index) return;
  const rows = page.all("tbody tr", index);
  const ofRow = (row) => document.querySelector(row.querySelector("a").getAttribute("href"));
  const cell = (row, column) => row.children[column].dataset.value ?? row.children[column].textContent.trim();

  function sortBy(header) {
    const column = [...header.parentElement.children].indexOf(header);
    const falling = header.getAttribute("aria-sort") === "ascending";
    for (const other of header.parentElement.children) other.removeAttribute("aria-sort");
    header.setAttribute("aria-sort", falling ? "descending" : "ascending");
    const names = new Intl.Collator("en", { numeric: true });
    rows.sort((one, other) => {
      const [left, right] = [cell(one, column), cell(other, column)];
      if (column > 0 && (left === "" || right === "")) return (left === "") - (right === ""); // unknown comes last
      const order = column ? Number(left) - Number(right) : names.compare(left, right);
      return falling ? -order : order;
    });
    for (const row of rows) {
      row.parentElement.append(row);
      document.getElementById("videos").append(ofRow(row));
    }
  }

  index.tHead.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (button) sortBy(button.closest("th"));
  });

  const find = document.getElementById("find");
  find.addEventListener("input", () => {
    const wanted = find.value.trim().toLowerCase();
    let count = 0;
    for (const row of rows) {
      const hit = row.firstElementChild.textContent.toLowerCase().includes(wanted);
      row.hidden = ofRow(row).hidden = !hit;
      count += hit;
    }
    document.getElementById("count").textContent = wanted ? `${count} of ${rows.length}` : "";
  });

  const unfold = document.getElementById("unfold");
  unfold.addEventListener("click", () => {
    const open = unfold.getAttribute("aria-pressed") !== "true";
    unfold.setAttribute("aria-pressed", String(open));
    for (const row of rows) ofRow(row).open = open;
  });

  const follow = () => {
    const target = location.hash.startsWith("#v") && document.getElementById(location.hash.slice(1));
    if (target) target.open = true;
    if (target) target.scrollIntoView();
  };
  addEventListener("hashchange", follow);
  follow();
})();
