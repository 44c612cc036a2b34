// Places a directed graph in columns, callers left of what they call. Same graph, same picture.

const kRow = 34, kGap = 74, kNodeHeight = 24;

// Longest path from the left, without the edges that close a cycle.
function columnsOf(nodes, out, into) {
  const column = new Map(), active = new Set(), back = new Set(), order = [];
  const key = (a, b) => a + ">" + b;
  for (const start of nodes) {
    if (active.has(start)) continue;
    const stack = [[start, 0]], path = new Set([start]);
    active.add(start);
    while (stack.length) {
      const top = stack[stack.length - 1], next = (out.get(top[0]) || [])[top[1]++];
      if (next === undefined) { path.delete(top[0]); order.unshift(top[0]); stack.pop(); }
      else if (path.has(next)) back.add(key(top[0], next));
      else if (!active.has(next)) { active.add(next); path.add(next); stack.push([next, 0]); }
    }
  }
  for (const node of order)
    column.set(node, Math.max(0, ...(into.get(node) || []).filter(from => !back.has(key(from, node)) && column.has(from))
      .map(from => column.get(from) + 1)));
  for (const node of [...order].reverse()) { // callers that nothing calls go beside what they call
    const callees = (out.get(node) || []).filter(to => !back.has(key(node, to)));
    if (callees.length && !(into.get(node) || []).some(from => !back.has(key(from, node))))
      column.set(node, Math.min(...callees.map(to => column.get(to))) - 1);
  }
  const least = Math.min(...column.values());
  const columns = [];
  for (const node of nodes) (columns[column.get(node) - least] ||= []).push(node);
  return columns.map(one => one || []);
}

function connected(nodes, near) {
  const seen = new Set(), parts = [];
  for (const start of nodes) {
    if (seen.has(start)) continue;
    const part = [start];
    seen.add(start);
    for (let i = 0; i < part.length; ++i)
      for (const other of near.get(part[i]) || []) if (!seen.has(other)) { seen.add(other); part.push(other); }
    parts.push(part.sort((a, b) => a - b));
  }
  return parts.sort((a, b) => b.length - a.length || a[0] - b[0]);
}

// y of each node so that neighbours are level where there is room.
function settle(columns, near) {
  const y = new Map();
  columns.forEach(one => one.forEach((node, i) => y.set(node, (i - (one.length - 1) / 2) * kRow)));
  const wish = node => {
    const others = near.get(node) || [];
    return others.length ? others.reduce((sum, other) => sum + y.get(other), 0) / others.length : y.get(node);
  };
  for (let round = 0; round < 14; ++round)
    for (const one of round % 2 ? [...columns].reverse() : columns) {
      const wishes = new Map(one.map(node => [node, wish(node)]));
      one.sort((a, b) => wishes.get(a) - wishes.get(b) || a - b);
      let low = -Infinity, off = 0;
      const placed = one.map(node => { low = Math.max(wishes.get(node), low + kRow); off += wishes.get(node) - low; return low; });
      one.forEach((node, i) => y.set(node, placed[i] + off / one.length));
    }
  return y;
}

// -> {width, height, at: Map(node -> {x, y, width})}
function layout(nodes, edges, widthOf, room) {
  const out = new Map(), into = new Map(), near = new Map();
  const add = (map, a, b) => { if (!map.has(a)) map.set(a, []); map.get(a).push(b); };
  for (const [from, to] of edges) { add(out, from, to); add(into, to, from); add(near, from, to); add(near, to, from); }
  const at = new Map();
  let top = 10, width = 0;
  const singles = [];
  for (const part of connected(nodes, near)) {
    if (part.length === 1) { singles.push(part[0]); continue; }
    const columns = columnsOf(part, out, into);
    const y = settle(columns, near);
    const least = Math.min(...part.map(node => y.get(node)));
    let x = 10, deepest = 0;
    for (const one of columns) {
      const widest = Math.max(0, ...one.map(widthOf));
      for (const node of one) {
        at.set(node, {x, y: top + y.get(node) - least, width: widthOf(node)});
        deepest = Math.max(deepest, y.get(node) - least);
      }
      x += widest + kGap;
    }
    width = Math.max(width, x - kGap + 10);
    top += deepest + kRow + 14;
  }
  let x = 10;
  for (const node of singles) {
    if (x > 10 && x + widthOf(node) > room - 10) { x = 10; top += kRow; }
    at.set(node, {x, y: top, width: widthOf(node)});
    x += widthOf(node) + 14;
    width = Math.max(width, x);
  }
  return {width, height: top + (singles.length ? kRow : 0) + 2, at};
}
