{
  const parts = [h("a", {class: "skip", href: "#list"}, "To the functions"), head()];
  const content = h("main", {}, summary(), reasons());
  document.getElementById("app").append(...parts, content);
  if (data.changes.length) {
    const graph = callGraph(), list = functionList(), view = functionView();
    put(content, [graph && graph.section, h("section", {"aria-label": "Functions"}, h("h2", {}, "Functions"),
      h("div", {class: "work"}, list.side, view)), h("p", {class: "foot"}, h("kbd", {}, "/"), " search \u00a0 ", h("kbd", {}, "\u2191"), " ",
      h("kbd", {}, "\u2193"), " function \u00a0 ", h("kbd", {}, "n"), " ", h("kbd", {}, "p"), " change in its code")]);
    list.refresh();
    const asked = /^#show-(\d+)$/.exec(location.hash);
    const first = data.changes.findIndex(change => change.verdict === "refused");
    select(asked && data.changes[Number(asked[1])] ? Number(asked[1]) : Math.max(0, first), "start");
    if (graph) {
      graph.draw();
      addEventListener("resize", graph.draw);
    }
  }
}
