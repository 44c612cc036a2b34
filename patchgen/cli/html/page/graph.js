const kMaxLabel = 30;
const kMaxAll = 60;     // changed functions in a picture of all of them
const kMaxCrowd = 70;   // nodes; beyond, neighbours of a single changed function are only counted

function callGraph() {
  const graph = data.graph;
  if (!graph.nodes.length) return null;
  const nodeOf = new Map();
  graph.nodes.forEach((node, i) => { if (node.change !== null) nodeOf.set(node.change, i); });
  let all = nodeOf.size <= kMaxAll, zoom = 1;
  const canvas = h("div", {class: "canvas", id: "graph", tabindex: 0, role: "group", "aria-label": "Call graph of the changed functions"});
  const note = h("p", {class: "graph-note"});

  function part() {
    const changed = i => graph.nodes[i].change !== null;
    const centre = nodeOf.get(state.selected);
    let chosen = new Set(graph.nodes.keys());
    if (!all) {
      chosen = new Set([centre ?? 0]);
      for (const [from, to] of graph.edges) if (from === centre || to === centre) { chosen.add(from); chosen.add(to); }
    } else if (chosen.size > kMaxCrowd) {
      const degree = new Map();
      for (const [from, to] of graph.edges) for (const i of [from, to]) degree.set(i, (degree.get(i) || 0) + 1);
      chosen = new Set([...chosen].filter(i => changed(i) || degree.get(i) > 1));
    }
    const hidden = new Map(); // changed node -> [callers, callees] that are not drawn
    for (const [from, to] of graph.edges) {
      if (chosen.has(from) && !chosen.has(to)) (hidden.get(from) || hidden.set(from, [0, 0]).get(from))[1]++;
      if (chosen.has(to) && !chosen.has(from)) (hidden.get(to) || hidden.set(to, [0, 0]).get(to))[0]++;
    }
    for (const i of chosen) if (graph.nodes[i].more) (hidden.get(i) || hidden.set(i, [0, 0]).get(i))[0] += graph.nodes[i].more;
    return {nodes: [...chosen].sort((a, b) => a - b), edges: graph.edges.filter(([from, to]) => chosen.has(from) && chosen.has(to)), hidden};
  }

  function draw() {
    const {nodes, edges, hidden} = part();
    const label = i => { const name = graph.nodes[i].name; return name.length > kMaxLabel ? name.slice(0, kMaxLabel - 1) + "\u2026" : name; };
    const extra = i => { const [callers, callees] = hidden.get(i) || [0, 0];
      return (callers ? ` +${callers}\u2190` : "") + (callees ? ` +${callees}\u2192` : ""); };
    const widthOf = i => Math.ceil(label(i).length * 7.25 + extra(i).length * 6.1 + 18);
    const room = Math.max(320, canvas.clientWidth - 14);
    const {width, height, at} = layout(nodes, edges, widthOf, room);
    const scale = zoom * Math.max(0.62, Math.min(1, room / width));
    const path = ([from, to]) => {
      const a = at.get(from), b = at.get(to);
      const x1 = a.x + a.width, y1 = a.y + kNodeHeight / 2, x2 = b.x - 6, y2 = b.y + kNodeHeight / 2;
      const bend = Math.max(28, Math.abs(x2 - x1) / 2.2);
      return `M${x1} ${y1.toFixed(1)}C${(x1 + bend).toFixed(1)} ${y1.toFixed(1)} ${(x2 - bend).toFixed(1)} ${y2.toFixed(1)} ${x2} ${y2.toFixed(1)}`;
    };
    const lines = edges.map(edge => svg("path", {class: "edge" + (edge[2] ? "" : " address"), d: path(edge), "marker-end": "url(#arrow)",
      "data-from": edge[0], "data-to": edge[1]}));
    const boxes = nodes.map(i => {
      const {x, y, width: w} = at.get(i), node = graph.nodes[i];
      const change = node.change === null ? null : data.changes[node.change];
      const choose = () => select(node.change, "graph");
      return svg("g", {class: "node" + (change ? " change " + change.verdict : ""), "data-node": i, transform: `translate(${x} ${y.toFixed(1)})`,
        ...(change ? {tabindex: 0, role: "button", "aria-label": `${node.name}, ${kVerdicts[change.verdict]}`, onclick: choose,
          onkeydown(event) { if (event.key === "Enter" || event.key === " ") { event.preventDefault(); choose(); } }} : {})},
        svg("title", {}, node.name + (change ? " \u2013 " + (change.why || change.detail) : "")),
        svg("rect", {width: w, height: kNodeHeight, rx: 6}),
        svg("text", {x: 9, y: 16}, label(i), extra(i) && svg("tspan", {class: "more"}, extra(i))));
    });
    canvas.replaceChildren(svg("svg", {viewBox: `0 0 ${width} ${height}`, width: Math.round(width * scale), height: Math.round(height * scale), role: "presentation"},
      svg("defs", {}, svg("marker", {id: "arrow", viewBox: "0 0 8 8", refX: 6, refY: 4, markerWidth: 7, markerHeight: 7, orient: "auto-start-reverse"},
        svg("path", {class: "arrow", d: "M0 0.6 7 4 0 7.4z"}))), lines, boxes));
    mark();
    reveal();
  }

  function reveal() {
    const box = canvas.querySelector(".node.selected");
    if (!box) return;
    const inner = box.getBoundingClientRect(), outer = canvas.getBoundingClientRect();
    if (inner.top < outer.top || inner.bottom > outer.bottom) canvas.scrollTop += inner.top - outer.top - canvas.clientHeight / 2;
    if (inner.left < outer.left || inner.right > outer.right) canvas.scrollLeft += inner.left - outer.left - canvas.clientWidth / 2;
  }

  function mark() {
    const centre = String(nodeOf.get(state.selected));
    for (const box of canvas.querySelectorAll(".node")) box.classList.toggle("selected", box.dataset.node === centre);
    for (const line of canvas.querySelectorAll(".edge"))
      line.classList.toggle("lit", line.dataset.from === centre || line.dataset.to === centre);
    const change = data.changes[state.selected];
    note.replaceChildren(...(change ? [h("b", {class: "mono"}, change.name), " \u2013 " + (change.why || change.detail) + " \u00b7 ",
      h("a", {href: "#function", onclick(event) { event.preventDefault(); document.getElementById("function").scrollIntoView(); }}, "show its code")] : []));
  }

  const modes = [[true, "All changed"], [false, "Around the selection"]].map(([value, name]) => h("button", {type: "button", class: "quiet",
    "aria-pressed": String(all === value), onclick() { all = value; zoom = 1; modes.forEach((button, i) => button.setAttribute("aria-pressed", String(all === !i))); draw(); }}, name));
  const zooms = [["\u2212", 1 / 1.25, "Smaller"], ["+", 1.25, "Larger"]].map(([text, factor, name]) =>
    h("button", {type: "button", class: "quiet", "aria-label": name, onclick() { zoom = Math.min(4, Math.max(0.3, zoom * factor)); draw(); }}, text));
  state.listeners.push((index, why) => {
    if (!all) draw();
    else { mark(); if (why !== "graph") reveal(); }
  });
  const present = ["replaced", "added", "refused"].filter(kind => data.changes.some(change => change.verdict === kind));
  const sign = (kind, name) => h("span", {}, h("i", {class: kind}), name);
  return {draw, section: h("section", {"aria-label": "Call graph"}, h("details", {open: true}, h("summary", {}, h("h2", {}, "Call graph")),
    h("div", {class: "card"}, h("div", {class: "graph-tools"}, modes, zooms, h("div", {class: "legend"},
      present.map(kind => sign(kind, kVerdicts[kind])), sign("near", "neighbour"), sign("call", "calls"), sign("address", "takes the address"))),
      canvas, note)))};
}
