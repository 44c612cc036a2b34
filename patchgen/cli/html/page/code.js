const kKinds = ["equal", "changed", "removed", "added"];
const kContext = 6; // equal rows that stay visible around a change

// Words of an instruction, with those that differ from the other side's marked.
function instruction(line, other, index) {
  const words = text => text.match(/L?"(?:\\.|[^"\\])*"|[A-Za-z_$?@.!#][\w$?@.!#:<>~-]*|0x[0-9A-Fa-f]+|\d+|\s+|./g) || [];
  const [, text, note, target] = line;
  const mine = words(text);
  const theirs = other ? words(other[1]) : null;
  let front = 0, back = 0;
  if (theirs) {
    const least = Math.min(mine.length, theirs.length);
    while (front < least && mine[front] === theirs[front]) ++front;
    while (back < least - front && mine[mine.length - 1 - back] === theirs[theirs.length - 1 - back]) ++back;
  }
  const styled = (word, at) => {
    const kind = at === 0 ? "m" : /^(0x|\d)/.test(word) ? "d" : /^L?"/.test(word) ? "note" : null;
    return kind ? h("span", {class: kind}, word) : word;
  };
  const parts = (from, to) => mine.slice(from, to).map((word, i) => styled(word, from + i));
  let content = theirs ? [parts(0, front), front < mine.length - back && h("em", {}, parts(front, mine.length - back)),
    parts(mine.length - back)] : parts(0);
  const callee = target === undefined ? undefined : index.get(target);
  if (callee !== undefined)
    content = [content, " ", h("a", {href: "#show-" + callee, title: "Show " + data.changes[callee].name, onclick(event) {
      event.preventDefault();
      select(callee, "code");
    }}, "\u2192")];
  const differs = other && other[2] !== note;
  return h("span", {}, content, note && [" ", differs ? h("em", {}, note) : h("span", {class: "note"}, note)]);
}

// Entries of changed functions to their places in the list, per side.
function entries(which) {
  const map = new Map();
  data.changes.forEach((change, i) => { if (change[which] !== null) map.set(change[which], i); });
  return map;
}

function codeTable(change, indexes) {
  const rows = change.code;
  const near = new Array(rows.length).fill(false);
  const changed = rows.some(row => row[0] !== 0);
  rows.forEach((row, i) => {
    if (row[0] === 0 && changed) return;
    for (let k = Math.max(0, i - kContext); k <= Math.min(rows.length - 1, i + kContext); ++k) near[k] = true;
  });
  const cell = (line, other, mark, index) => h("div", {class: "cell"}, line
    ? [h("span", {class: "at"}, "+" + line[0].toString(16)), h("span", {class: "mark"}, mark), instruction(line, other, index)] : []);
  const row = ([kind, before, after]) => {
    const old = typeof before === "number" ? [before, ...after.slice(1, 3)] : before;
    const both = kind === 1;
    return h("div", {class: "row " + kKinds[kind], role: "row"}, cell(old, both && after, kind === 1 || kind === 2 ? "\u2212" : "", indexes[0]),
      cell(after, both && old, kind === 1 || kind === 3 ? "+" : "", indexes[1]));
  };
  const table = h("div", {class: "code", role: "table", "aria-label": "Instructions of baseline and updated function"});
  for (let i = 0; i < rows.length;) {
    let end = i;
    while (end < rows.length && near[end] === near[i]) ++end;
    const part = rows.slice(i, end);
    if (near[i] || part.length < 4) put(table, part.map(row));
    else table.append(h("button", {class: "fold", type: "button", onclick(event) {
      event.currentTarget.replaceWith(...part.map(row));
    }}, `${grouped(part.length)} equal instructions`));
    i = end;
  }
  return table;
}

function functionView() {
  const indexes = [entries("baseline_rva"), entries("updated_rva")];
  const view = h("article", {class: "function card", id: "function", tabindex: -1, "aria-live": "polite"});

  // From one run of changed rows to the next.
  function step(by) {
    const runs = [...view.querySelectorAll(".row:not(.equal)")].filter(row =>
      !row.previousElementSibling || !row.previousElementSibling.matches(".row:not(.equal)"));
    if (!runs.length) return;
    const at = runs.findIndex(row => row.classList.contains("here"));
    if (at >= 0) runs[at].classList.remove("here");
    const to = at < 0 ? (by > 0 ? 0 : runs.length - 1) : (at + by + runs.length) % runs.length;
    runs[to].classList.add("here");
    runs[to].scrollIntoView({block: "center"});
  }

  function show(index) {
    const change = data.changes[index];
    const site = change.site && [h("code", {}, change.site), ": " + data.sites[change.site]];
    const size = change.baseline_size && change.updated_rva !== null && change.baseline_size !== change.size
      ? `${grouped(change.baseline_size)} \u2192 ${grouped(change.size)} bytes` : grouped(change.size) + " bytes";
    const rva = value => value === null ? "\u2013" : hex(value);
    const facts = [["Address", h("code", {}, rva(change.baseline_rva) + " \u2192 " + rva(change.updated_rva))], ["Size", size],
      change.why && ["Why", [change.why, change.facts.map(fact => h("div", {}, fact))]], site && [data.result === "refused" ? "Could be redirected by" : "Redirected by", site],
      change.reason && ["Refused", h("span", {class: "bad"}, h("code", {}, change.reason), " " +
        (change.detail || data.codes[change.reason].what))]].filter(Boolean);
    const changes = change.code ? change.code.filter(row => row[0] !== 0).length : 0;
    view.replaceChildren(h("header", {}, h("h3", {id: "name"}, change.name), h("span", {class: "pill " + change.verdict}, kVerdicts[change.verdict]),
      h("dl", {class: "facts"}, facts.map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)])),
      change.reason && h("p", {class: "todo"}, h("b", {}, "What to do: "), data.codes[change.reason].todo)));
    if (change.code && change.code.length)
      view.append(h("div", {class: "code-head"}, h("span", {}, "Baseline"), h("span", {}, data.result === "refused" ? "Updated" : "Replacement", changes &&
        h("span", {class: "moves"}, counted(changes, "changed row"), h("button", {type: "button", "aria-label": "Previous change", onclick() { step(-1); }}, "\u2191"),
          h("button", {type: "button", "aria-label": "Next change", onclick() { step(1); }}, "\u2193")))), codeTable(change, indexes));
    else
      view.append(h("p", {class: "none"}, "The page shows no code of this function: there is too much of it."));
  }
  document.addEventListener("keydown", event => {
    if (/^(input|textarea)$/i.test(event.target.tagName) || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "n") step(1);
    if (event.key === "p") step(-1);
  });
  state.listeners.push(show);
  return view;
}
