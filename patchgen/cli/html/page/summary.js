function head() {
  const root = document.documentElement;
  const dark = () => (root.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
  const name = () => dark() ? "Light" : "Dark";
  const theme = h("button", {class: "quiet", type: "button", id: "theme", onclick() {
    root.dataset.theme = dark() ? "light" : "dark";
    theme.textContent = name();
  }}, name());
  const results = {package: "package written", "refused": "cannot be hotpatched", "no-change": "no change"};
  const what = {
    package: () => [h("b", {}, data.package), ", " + grouped(data.bytes) + " bytes: " +
      "redirects " + counted(data.proof.replaced, "function") + " of a running program, with no restart"],
    refused: () => ["No package was written. The reasons, and what to do about them, are below."],
    "no-change": () => ["The two images do the same: there is nothing to patch."],
  }[data.result]();
  return h("header", {class: "top"}, h("h1", {}, data.images.baseline.path), h("span", {class: "pill"}, data.machine),
    h("span", {class: "pill " + data.result, id: "result"}, results[data.result]),
    h("span", {class: "tools"}, theme), h("p", {class: "what"}, what));
}

function number(name, value, kind, small) {
  return h("div", {class: kind}, h("dt", {}, name), h("dd", {}, grouped(value), small && h("small", {}, "\u00a0" + small)));
}

function image(which) {
  const one = data.images[which];
  const names = {pdb: "PDB", coff: "COFF symbols", image: "none: the image alone"};
  const lines = [["Time stamp", hex(one.time_date_stamp, 8)], ["CheckSum", hex(one.checksum, 8)],
    ["Size of image", hex(one.size_of_image)], ["File", grouped(one.bytes) + " bytes"], ["PDB", one.pdb || "none"],
    ["Names from", names[one.names] || one.names], ["SHA-256", one.sha256]];
  return h("div", {class: "card image"}, h("h3", {}, which[0].toUpperCase() + which.slice(1), h("span", {}, " " + one.path)),
    h("dl", {}, lines.map(([name, value]) => [h("dt", {}, name), h("dd", {class: "mono"}, value)])));
}

function summary() {
  const counts = data.functions;
  const refused = data.changes.filter(change => change.verdict === "refused").length;
  const proof = data.proof;
  return h("section", {"aria-label": "Summary"},
    h("div", {class: "card"},
      h("dl", {class: "numbers"}, number("Functions", counts.updated), number("Equal", counts.equal),
        number("Changed", counts.changed), number("New", counts.new), number("Removed", counts.removed),
        refused > 0 && number("Refused", refused, "bad"),
        data.reasons.length > 0 && number("Reasons", data.reasons.length, "bad"),
        data.result === "package" && number("Package", data.bytes, "", "bytes")),
      proof && h("p", {class: "proof"}, h("b", {}, "Proved: "), counted(proof.references, "reference") + " and " +
        counted(proof.data_bytes, "byte") + " of data mean the same in the baseline with the package as in the updated image, in " +
        counted(proof.emitted, "new function") + " and " + counted(proof.unchanged, "function") + " of the baseline.")),
    h("div", {class: "pair"}, image("baseline"), image("updated")));
}

function because(error) {
  return error && h("div", {}, "because ", h("code", {}, error.code), " " + error.detail, because(error.cause));
}

function reasons() {
  const groups = new Map();
  for (const reason of data.reasons)
    groups.set(reason.code, [...(groups.get(reason.code) || []), reason]);
  if (!groups.size) return null;
  return h("section", {"aria-label": "Reasons"}, h("h2", {}, "Why it cannot be hotpatched"),
    [...groups].map(([code, cases]) => h("article", {class: "card reason"},
      h("h3", {}, h("code", {}, code), data.codes[code].what, cases.length > 1 && ` (${cases.length} times)`),
      h("ul", {tabindex: cases.length > 6 ? 0 : null, "aria-label": "Cases"}, cases.map(one => {
        const where = (one.detail.startsWith(one.function + ":") ? "" : one.function) || (one.rva === undefined ? "" : "+" + hex(one.rva));
        return h("li", {}, where && h("b", {}, where), where && one.detail && ": ", one.detail, because(one.cause));
      })),
      h("p", {class: "todo"}, h("b", {}, "What to do: "), data.codes[code].todo))));
}
