const kMaxItems = 400;

// The functions, narrowed by words and by one filter of each kind.
function functionList() {
  const filters = {verdict: null, site: null, reason: null};
  let shown = [];
  let most = kMaxItems;
  const texts = data.changes.map(change => [change.name, change.why, change.detail, change.site, change.reason,
    ...change.facts, change.baseline_rva === null ? "" : hex(change.baseline_rva),
    change.updated_rva === null ? "" : hex(change.updated_rva)].join("\n").toLowerCase());

  const search = h("input", {type: "search", id: "search", placeholder: "Search names, strings, reasons, addresses", "aria-label":
    "Search functions", "aria-controls": "list", autocomplete: "off", spellcheck: "false", oninput() { most = kMaxItems; refresh(); }});
  const list = h("div", {class: "list", id: "list", role: "listbox", tabindex: 0, "aria-label": "Functions", onkeydown: move});
  const count = h("p", {class: "count", id: "count", role: "status"});

  function chips(kind, name) {
    const tally = new Map();
    for (const change of data.changes)
      if (change[kind]) tally.set(change[kind], (tally.get(change[kind]) || 0) + 1);
    if (tally.size < (kind === "reason" ? 1 : 2)) return null;
    return h("div", {class: "chips", role: "group", "aria-label": name}, [...tally].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1))
      .map(([value, number]) => h("button", {type: "button", "aria-pressed": "false", "data-filter": value, onclick(event) {
        filters[kind] = filters[kind] === value ? null : value;
        for (const chip of event.currentTarget.parentNode.children)
          chip.setAttribute("aria-pressed", String(chip.dataset.filter === filters[kind]));
        most = kMaxItems;
        refresh();
      }}, (kVerdicts[value] || value) + " ", h("b", {}, grouped(number)))));
  }

  function item(index) {
    const change = data.changes[index];
    const how = change.verdict === "refused" ? change.reason : change.site || (change.verdict === "added" ? "new" : "with its function");
    return h("div", {class: "item " + change.verdict, role: "option", id: "f" + index, "aria-selected": String(index === state.selected),
      onclick() { select(index, "list"); }}, h("span", {class: "name"}, change.name),
      h("span", {class: "sub"}, how + " \u00b7 " + (change.why || change.detail)));
  }

  function refresh() {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    shown = data.changes.map((change, index) => index).filter(index =>
      Object.entries(filters).every(([kind, value]) => !value || data.changes[index][kind] === value) &&
      words.every(word => texts[index].includes(word)));
    list.replaceChildren(...shown.slice(0, most).map(item));
    if (shown.length > most)
      list.append(h("button", {class: "quiet rest", type: "button", onclick() { most *= 4; refresh(); }},
        `${grouped(shown.length - most)} more`));
    if (!shown.length) list.append(h("p", {class: "none"}, "Nothing fits. Change the search or the filters."));
    count.textContent = shown.length === data.changes.length ? counted(shown.length, "function")
      : `${grouped(shown.length)} of ${counted(data.changes.length, "function")}`;
    mark();
  }

  function mark() {
    for (const option of list.querySelectorAll("[role=option]"))
      option.setAttribute("aria-selected", String(option.id === "f" + state.selected));
    const present = document.getElementById("f" + state.selected);
    if (present) list.setAttribute("aria-activedescendant", present.id);
    else list.removeAttribute("aria-activedescendant");
  }

  function move(event) {
    const steps = {ArrowDown: 1, j: 1, ArrowUp: -1, k: -1, PageDown: 10, PageUp: -10, Home: -shown.length, End: shown.length};
    const step = steps[event.key];
    if (step === undefined || event.ctrlKey || event.metaKey || event.altKey || !shown.length) return;
    event.preventDefault();
    const at = shown.indexOf(state.selected);
    const to = at < 0 ? 0 : Math.max(0, Math.min(Math.min(shown.length, most) - 1, at + step));
    select(shown[to], "keyboard");
  }

  search.addEventListener("keydown", event => {
    if (event.key === "Escape" && search.value) { search.value = ""; refresh(); }
    else if (event.key === "ArrowDown" || event.key === "Enter") {
      event.preventDefault();
      list.focus();
      if (shown.length && !shown.includes(state.selected)) select(shown[0], "keyboard");
    }
  });
  document.addEventListener("keydown", event => {
    if (event.key === "/" && !/^(input|textarea)$/i.test(event.target.tagName) && !event.ctrlKey && !event.metaKey) {
      event.preventDefault();
      search.focus();
      search.select();
    }
  });
  state.listeners.push(() => {
    mark();
    const present = document.getElementById("f" + state.selected);
    if (!present) return;
    const inside = present.offsetTop - list.offsetTop;
    if (inside < list.scrollTop) list.scrollTop = inside - 8;
    else if (inside + present.offsetHeight > list.scrollTop + list.clientHeight)
      list.scrollTop = inside + present.offsetHeight - list.clientHeight + 8;
  });
  const side = h("nav", {class: "side card", "aria-label": "Functions"}, h("div", {class: "find"}, search,
    chips("verdict", "Verdict"), chips("site", "Site kind"), chips("reason", "Reason")), count, list);
  return {side, refresh};
}
