// The page: what the link tells becomes what is shown. It asks, and never changes anything.

import { h, show } from "./dom.js";
import { seconds, time } from "./format.js";
import { levelOfGroup, worst } from "./levels.js";
import { Link } from "./link.js";
import { SIGNS, drawMap } from "./map.js";
import * as panels from "./panels.js";
import { page } from "./runbook.js";
import { Words } from "./words.js";

const HANGS_S = 5;
const words = new Words();
const narrow = matchMedia("(max-width: 700px)");
const known = { link: "opening", picture: null, lost: "", moved: null, beat: null, group: "", routes: [], history: {}, historyOf: "", drills: null, reports: null };
const at = (id) => document.getElementById(id);

const link = new Link((kind, detail) => {
  if (kind === "lost") Object.assign(known, { link: "lost", lost: detail });
  if (kind === "alone") known.link = "alone";
  if (kind === "hello") hear(detail);
  if (kind === "beat") known.beat = detail;
  if (kind === "picture") see(detail);
  draw();
});

function hear(routes) {
  known.routes = routes;
  known.historyOf = "";
  for (const name of ["drills", "reports"]) {
    known[name] = null;
    if (routes.includes(`/${name}`)) link.get(`/${name}`).then((found) => { known[name] = found; draw(); }, () => {});
  }
}

function see(picture) {
  const told = picture.center;
  if (known.lost && known.lost !== told && known.link !== "live") {
    known.moved = { from: known.lost, to: told, time: time(new Date().toISOString()) };
  }
  if (known.moved && known.moved.from === told) known.moved = null;
  // The lost controller is back: nothing is left to say.
  if (known.moved && picture.connected && known.link === "live") {
    const back = picture.centers.find((center) => center.name === known.moved.from)?.controller;
    if (back && known.moved.gone) known.moved = null;
    else if (!back) known.moved.gone = true;
  }
  Object.assign(known, { link: "live", picture, beat: null });
  if (!picture.groups.some((group) => group.name === known.group)) known.group = worst(picture.groups)?.name ?? "";
  const newest = picture.groups.map((group) => group.history[0]?.id ?? "").join(" ");
  if (newest.trim() && newest !== known.historyOf) {
    known.historyOf = newest;
    link.get("/history").then((found) => { known.history = found; draw(); }, () => { known.historyOf = ""; });
  }
}

function label(name) {
  const center = known.picture?.centers.find((one) => one.name === name);
  return center ? words.center(center) : name;
}

function draw() {
  const { picture } = known;
  const group = picture?.groups.find((one) => one.name === known.group);
  Object.assign(document.documentElement.dataset, { link: known.link, center: link.center, protection: group?.protection ?? "" });
  at("skip").textContent = words.w.skip;
  top();
  verdict(group);
  notice();
  for (const panel of document.querySelectorAll(".panel")) panel.toggleAttribute("hidden", !group);
  if (!group) return;
  tabs(picture.groups);
  show(at("map"), h("h2", { id: "map-title" }, words.w.map), drawMap(picture, group, words, narrow.matches));
  show(at("members"), panels.members(group, picture, words));
  show(at("run"), panels.operation(newestRun(group), words));
  show(at("would"), panels.would(group, words));
  show(at("alarms"), panels.alarms(group, words));
  show(at("history"), panels.history((known.history[group.name] ?? group.history).slice(0, 8), words));
  show(at("commands"), panels.commands(group, words));
  at("run").classList.toggle("under", Boolean(group.run));
  for (const name of ["drills", "reports"]) {
    at(name).hidden = known[name] === null;
    if (known[name] !== null) show(at(name), panels.listing(name, words.w[name], known[name], link.base));
  }
}

function newestRun(group) {
  const head = group.run ?? group.history[0];
  return (known.history[group.name] ?? []).find((run) => run.id === head?.id && !group.run) ?? head;
}

function top() {
  const { picture } = known;
  document.title = picture ? `${picture.cluster} · drctl` : "drctl";
  show(at("top"),
    h("h1", {}, h("span", { class: "brand" }, "drctl"), picture ? h("span", { class: "cluster" }, picture.cluster) : null),
    h("p", { class: "told" },
      h("span", { class: "pulse", "aria-hidden": "true" }),
      picture ? `${words.w.toldBy(label(link.center))} · ${words.w.asOf(time(known.beat?.at_utc || picture.at_utc))}` : words.w.opening),
    h("button", { type: "button", "data-do": "language", lang: words.w.languageCode === "zh" ? "zh-CN" : "en", "aria-label": words.w.languageLabel }, words.w.language));
}

function verdict(group) {
  let level = "quiet";
  let head = words.w.opening;
  let text = "";
  if (known.link === "lost") {
    [head, text] = [words.w.lost(label(known.lost)), words.w.lostText];
  } else if (known.link === "alone") {
    head = words.w.alone;
    text = known.picture ? words.w.aloneText(time(known.picture.at_utc)) : words.w.aloneNever;
    level = "bad";
  } else if (group) {
    level = levelOfGroup(group);
    head = words.w.heads[group.protection];
    text = words.protection(group);
  }
  at("verdict").className = level;
  show(at("verdict"),
    h("span", { class: "emblem", "aria-hidden": "true" }, { good: "✓", warn: "!", bad: "✕", quiet: "?" }[level]),
    h("div", {}, h("p", { class: "head" }, head), h("p", { class: "text" }, text)));
}

function notice() {
  const said = [];
  const { moved, picture, beat } = known;
  if (known.link === "live") {
    if (moved) said.push(words.w.moved(label(moved.from), label(moved.to), moved.time));
    if (!picture.connected) said.push(words.w.noCoordinator(label(picture.center)));
    if (beat?.age_s > HANGS_S) said.push(words.w.stuck(label(picture.center), seconds(beat.age_s)));
  }
  show(at("notice"), said.map((text) => h("p", {}, h("span", { class: "sign warn", "aria-hidden": "true" }, SIGNS.warn), " ", text)));
}

function tabs(groups) {
  const nav = at("groups");
  nav.hidden = groups.length < 2;
  nav.setAttribute("aria-label", words.w.group);
  show(nav, groups.map((group) => h("button", {
    type: "button", class: levelOfGroup(group), "data-do": "group", "data-name": group.name, "data-key": group.name,
    "aria-current": group.name === known.group ? "true" : undefined,
  }, `${SIGNS[levelOfGroup(group)]} ${group.name}`, h("small", {}, words.w.heads[group.protection]))));
}

const DEEDS = {
  language: () => { words.turn(); draw(); },
  group: (button) => { known.group = button.dataset.name; draw(); },
  copy: async (button) => {
    await copy(button.dataset.line);
    button.textContent = words.w.copied;
    setTimeout(draw, 1500);
  },
  runbook: async (button) => {
    const { code } = button.dataset;
    const name = `docs/runbooks/${code.replaceAll("_", "-")}.md`;
    const body = await link.get(`/console/runbooks/${code.replaceAll("_", "-")}.md`).then(page, () => [h("p", {}, name)]);
    show(at("runbook"), h("form", { method: "dialog" }, h("button", {}, words.w.close)), h("div", { class: "page" }, body));
    at("runbook").showModal();
  },
  close: () => at("runbook").close(),
};

document.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  if (button.closest("dialog form")) {
    event.preventDefault();
    DEEDS.close();
  }
  DEEDS[button.dataset.do]?.(button);
});
narrow.addEventListener("change", draw);

// On an address without TLS a browser has no clipboard of the newer kind.
async function copy(line) {
  if (navigator.clipboard) return navigator.clipboard.writeText(line);
  const field = h("textarea", { class: "unseen", "aria-hidden": "true" });
  field.value = line;
  const before = document.activeElement;
  document.body.append(field);
  field.select();
  document.execCommand("copy");
  field.remove();
  before?.focus();
}

draw();
