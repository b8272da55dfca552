// SPDX-License-Identifier: BSD-2-Clause
// Looks at a report as a reader would, in the browser that shows it: what is cut off, what lies on something else, what is empty.
(() => {
  const problems = [];
  const say = (where, what) => { if (problems.length < 100) problems.push(`${where}: ${what}`); };
  const overlap = (a, b) =>
    Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1.5 && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 2.5;
  let texts = 0;
  for (const svg of document.querySelectorAll("svg")) {
    const where = svg.getAttribute("aria-label");
    const frame = svg.getBoundingClientRect();
    if (frame.width < 100 || frame.height < 40) say(where, `is ${frame.width} x ${frame.height}`);
    const boxes = [...svg.querySelectorAll("text")].map(t => [t.textContent, t.getBoundingClientRect()]);
    texts += boxes.length;
    for (const [text, box] of boxes) {
      if (box.width === 0 && text !== "") say(where, `"${text}" is not shown`);
      if (box.left < frame.left - 1 || box.right > frame.right + 1 || box.top < frame.top - 1 || box.bottom > frame.bottom + 1)
        say(where, `"${text}" is cut off`);
    }
    for (let i = 0; i < boxes.length; i++)
      for (let j = i + 1; j < boxes.length; j++)
        if (overlap(boxes[i][1], boxes[j][1])) say(where, `"${boxes[i][0]}" and "${boxes[j][0]}" overlap`);
  }
  // What is folded away is measured too: as paper shows it.
  document.querySelectorAll("details").forEach(d => { d.open = true; });
  const shown = (figure, of) =>
    new Set([...figure.querySelectorAll(`${of} [data-v]`)].filter(e => e.getClientRects().length > 0).map(e => e.dataset.v));
  let values = 0;
  for (const figure of document.querySelectorAll("figure")) {
    const where = figure.parentElement.querySelector("h2")?.textContent ?? "a figure";
    const plots = shown(figure, "svg"), tables = shown(figure, "table");
    values += tables.size;
    for (const v of plots) if (!tables.has(v)) say(where, `${v} is plotted, and in no table`);
    for (const v of tables) if (!plots.has(v)) say(where, `${v} is in a table, and not plotted`);
  }
  if (document.documentElement.scrollWidth > window.innerWidth + 1)
    say("the page", `is ${document.documentElement.scrollWidth} wide, the window ${window.innerWidth}`);
  const found = { svgs: document.querySelectorAll("svg").length, texts, values, problems };
  document.body.dataset.probe = JSON.stringify(found);
})();
