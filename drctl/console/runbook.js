// A runbook as elements: the part of Markdown that the runbooks are written in.

import { h } from "./dom.js";

export function page(text) {
  const lines = text.split("\n");
  const found = [];
  while (lines.length) {
    const line = lines.shift();
    if (line.startsWith("```")) {
      const code = [];
      while (lines.length && !lines[0].startsWith("```")) code.push(lines.shift());
      lines.shift();
      if (!line.startsWith("```{")) found.push(h("pre", { tabindex: "0" }, h("code", {}, code.join("\n"))));
    } else if (/^#+ /.test(line)) {
      const level = Math.min(4, line.indexOf(" ") + 1);
      found.push(h(`h${level}`, level === 2 && !found.length ? { id: "runbook-title" } : {}, inline(line.replace(/^#+ /, ""))));
    } else if (line.startsWith("|")) {
      const rows = [line, ...taken(lines, (next) => next.startsWith("|"))].filter((row) => !/^[|\s:-]+$/.test(row));
      found.push(h("table", {}, rows.map((row) => h("tr", {}, cells(row).map((cell) => h("td", {}, inline(cell)))))));
    } else if (line.startsWith("> ")) {
      const quote = [line, ...taken(lines, (next) => next.startsWith("> "))].map((one) => one.slice(2));
      found.push(h("blockquote", {}, inline(quote.join(" "))));
    } else if (/^(\d+\.|-) /.test(line)) {
      found.push(list(line, lines));
    } else if (line.trim()) {
      found.push(h("p", {}, inline([line, ...taken(lines, plain)].join(" "))));
    }
  }
  return found;
}

const plain = (next) => next.trim() !== "" && !/^(```|#+ |> |\||\d+\. |- )/.test(next);

function cells(row) {
  return row.split("|").slice(1, -1).map((cell) => cell.trim());
}

function taken(lines, wanted) {
  const found = [];
  while (lines.length && wanted(lines[0])) found.push(lines.shift());
  return found;
}

// Items and what is indented below them, which is a page of its own.
function list(first, lines) {
  const ordered = /^\d/.test(first);
  const items = [];
  let line = first;
  while (line !== undefined) {
    const head = line.replace(/^(\d+\.|-) /, "");
    const below = taken(lines, (next) => next.trim() === "" || /^\s{2,}/.test(next)).map((one) => one.replace(/^ {2,3}/, ""));
    items.push(h("li", {}, page([head, ...below].join("\n"))));
    line = lines.length && /^(\d+\.|-) /.test(lines[0]) ? lines.shift() : undefined;
  }
  return h(ordered ? "ol" : "ul", {}, items);
}

function inline(text) {
  const found = [];
  let rest = text;
  for (let at = rest.match(/`([^`]+)`|\*\*([^*]+)\*\*|\[([^\]]+)\]\([^)]*\)|\*([^*]+)\*/); at; at = rest.match(/`([^`]+)`|\*\*([^*]+)\*\*|\[([^\]]+)\]\([^)]*\)|\*([^*]+)\*/)) {
    found.push(rest.slice(0, at.index));
    const [, code, strong, link, slanted] = at;
    found.push(code ? h("code", {}, code) : strong ? h("strong", {}, strong) : link ? inline(link) : h("em", {}, slanted));
    rest = rest.slice(at.index + at[0].length);
  }
  return [...found, rest];
}
