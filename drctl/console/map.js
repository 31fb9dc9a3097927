// The centers as a map: one card each, and the ways that the log takes from the primary to the others.

import { s } from "./dom.js";
import { size } from "./format.js";
import { levelOf } from "./levels.js";

const WIDE = { width: 960, height: 440, cardWidth: 280, cardHeight: 146 };
const NARROW = { width: 340, height: 0, cardWidth: 276, cardHeight: 128, gap: 40 };
const SATELLITE_HEIGHT = 26;

export function drawMap(picture, group, words, narrow) {
  const places = layout(picture.centers, group, narrow);
  const form = narrow ? NARROW : WIDE;
  const height = narrow ? Math.max(...[...places.values()].map((place) => place.y + place.height)) + 8 : WIDE.height;
  const primary = group.members.find((member) => member.name === group.primary);
  const sender = group.members.find((member) => member.writable) ?? primary;
  const others = sender ? group.members.filter((member) => member.center !== sender.center && isPeer(member)) : [];
  return s("svg", { viewBox: `0 0 ${form.width} ${height}`, role: "img", "aria-label": words.w.mapText(group.name, group.primary ?? "?"), class: narrow ? "narrow" : "wide" },
    others.map((member) => way(places.get(sender.center), places.get(member.center), sender, member, words, narrow)),
    picture.centers.map((center) => card(places.get(center.name), center, picture, group, words, narrow)));
}

const isPeer = (member) => member.role !== "Satellite";

function layout(centers, group, narrow) {
  const places = new Map();
  let below = 4;
  centers.forEach((center, index) => {
    const satellites = group.members.filter((member) => member.center === center.name && !isPeer(member));
    const form = narrow ? NARROW : WIDE;
    const height = form.cardHeight + satellites.length * SATELLITE_HEIGHT;
    let x = 60;
    let y = below;
    if (!narrow) {
      // The first on top, the others clockwise: with three centers a triangle.
      const angle = -Math.PI / 2 + (2 * Math.PI * index) / centers.length;
      x = WIDE.width / 2 + 330 * Math.cos(angle) * (centers.length < 3 ? 1 : 1.1) - form.cardWidth / 2;
      const middle = centers.length === 3 ? 245 : WIDE.height / 2;
      y = middle + (centers.length === 3 && index > 0 ? 108 : 160 * Math.sin(angle)) - form.cardHeight / 2;
    }
    places.set(center.name, { x, y, width: form.cardWidth, height, satellites });
    below += height + NARROW.gap;
  });
  return places;
}

function way(from, to, sender, member, words, narrow) {
  const flows = member.readable && sender.writable;
  const kind = flows ? (member.synchronous ? "sync" : "async") : "broken";
  const text = flows
    ? `${words.w[kind]} · ${lag(member, words)}`
    : words.w.broken;
  const [path, at] = narrow ? sideways(from, to) : straight(from, to);
  return s("g", { class: `way ${kind}`, "data-key": member.name },
    s("path", { d: path, class: "bed" }), s("path", { d: path, class: "flow" }),
    narrow ? null : s("g", { class: "tag" },
      s("rect", { x: at.x - at.width / 2, y: at.y - 13, width: at.width, height: 26, rx: 13 }),
      s("text", { x: at.x, y: at.y + 5, "text-anchor": "middle" }, text)));
}

function straight(from, to) {
  const a = { x: from.x + from.width / 2, y: from.y + from.height / 2 };
  const b = { x: to.x + to.width / 2, y: to.y + to.height / 2 };
  const start = edge(from, a, b);
  const end = edge(to, b, a);
  return [`M${start.x} ${start.y} L${end.x} ${end.y}`, { x: (start.x + end.x) / 2, y: (start.y + end.y) / 2, width: 164 }];
}

// Where the line between two middles leaves a card.
function edge(card, from, to) {
  const dx = to.x - from.x;
  const dy = to.y - from.y;
  const scale = Math.min(dx ? card.width / 2 / Math.abs(dx) : Infinity, dy ? card.height / 2 / Math.abs(dy) : Infinity);
  return { x: Math.round(from.x + dx * scale), y: Math.round(from.y + dy * scale) };
}

function sideways(from, to) {
  const y1 = from.y + from.height / 2;
  const y2 = to.y + to.height / 2;
  const far = Math.abs(y2 - y1) > 220 ? 14 : 36;
  return [`M${from.x} ${y1} H${far} V${y2} H${to.x}`, null];
}

function card(place, center, picture, group, words, narrow) {
  const member = group.members.find((one) => one.center === center.name && isPeer(one));
  const leads = picture.leader === center.name;
  const known = center.controller ? (leads ? words.w.leads : words.w.watches) : words.w.noController;
  const level = member ? levelOf(member) : "quiet";
  const { x, y, width } = place;
  const primary = member?.role === "Primary";
  return s("g", { class: `card ${level} ${primary ? "primary" : ""}`, "data-key": center.name, transform: `translate(${x} ${y})` },
    s("rect", { width, height: place.height, rx: 14, class: "board" }),
    s("rect", { width: 6, height: place.height - 28, x: 0, y: 14, rx: 3, class: "mark" }),
    s("text", { x: 22, y: 34, class: "name" }, words.center(center),
      center.label === center.name ? null : s("tspan", { dx: 8, class: "other" }, words.language === "zh" ? center.name : center.label)),
    s("text", { x: width - 16, y: 33, "text-anchor": "end", class: center.controller ? "seat" : "seat none" }, `${leads ? "◆ " : ""}${known}`),
    member ? [
      s("text", { x: 22, y: 66, class: "role" }, words.of(member.role)),
      s("text", { x: 22, y: 91, class: "state" }, `${SIGNS[level]} ${words.of(member.state)}`),
      s("text", { x: width - 16, y: 91, "text-anchor": "end", class: "fine" }, narrow ? lag(member, words) : `RPO ${words.of(member.rpo)}`),
      s("text", { x: 22, y: 114, class: "fine" }, member.name, group.home === center.name ? ` · ${words.w.home}` : ""),
    ] : null,
    place.satellites.map((one, index) => {
      const at = NARROW.cardHeight + index * SATELLITE_HEIGHT + 6;
      return s("g", { class: `satellite ${levelOf(one)}`, transform: `translate(22 ${at})` },
        s("circle", { cx: 6, cy: 0, r: 5 }),
        s("text", { x: 20, y: 5, class: "fine" }, `${one.name} · ${words.of(one.state)}`));
    }));
}

export const SIGNS = { good: "●", warn: "▲", bad: "✕", quiet: "○" };

function lag(member, words) {
  if (member.role === "Primary" || member.receive_lag_bytes === null) return "";
  return member.receive_lag_bytes ? words.w.behind(size(member.receive_lag_bytes)) : words.w.level;
}
