// The panels beside the map: each makes elements from a picture, and knows nothing of what was shown before.

import { offered } from "./commands.js";
import { h } from "./dom.js";
import { moment, percent, seconds, size } from "./format.js";
import { levelOf, levelOfRun, levelOfStep } from "./levels.js";
import { SIGNS } from "./map.js";

const titled = (id, text, ...more) => h("h2", { id: `${id}-title` }, text, ...more);
const sign = (level) => h("span", { class: `sign ${level}`, "aria-hidden": "true" }, SIGNS[level]);

export function members(group, picture, words) {
  const labels = new Map(picture.centers.map((center) => [center.name, words.center(center)]));
  const row = (member) => h("tr", { "data-key": member.name },
    h("th", { scope: "row" }, member.name),
    h("td", { class: "spare" }, labels.get(member.center) ?? member.center),
    h("td", {}, words.of(member.role)),
    h("td", { class: levelOf(member) }, sign(levelOf(member)), " ", words.of(member.state)),
    h("td", { class: "figure spare" }, member.timeline ?? ""),
    h("td", { class: "figure" }, member.role === "Primary" ? "" : size(member.receive_lag_bytes)),
    h("td", { class: "figure" }, words.of(member.rpo)));
  const spare = new Set([1, 4]);
  const figures = new Set([4, 5, 6]);
  return [titled("members", words.w.members),
    h("table", {},
      h("thead", {}, h("tr", {}, words.w.columns.map((column, index) =>
        h("th", { scope: "col", class: `${figures.has(index) ? "figure" : ""} ${spare.has(index) ? "spare" : ""}` }, column)))),
      h("tbody", {}, group.members.map(row))),
    group.members.filter((member) => member.detail).map((member) =>
      h("p", { class: "detail" }, `${member.name}: ${member.detail.split("\n")[0]}`))];
}

export function would(group, words) {
  const { heir, seconds: soon, missing } = group.explanation;
  const facts = [];
  if (heir) facts.push([words.w.heir, heir]);
  if (soon !== null && soon !== undefined) facts.push([words.w.within, `≈ ${seconds(soon)}`]);
  if (missing.length) facts.push([words.w.missing, missing.join(", ")]);
  if (group.marker) {
    facts.push([words.w.marker, group.marker.pending_s === null ? seconds(group.marker.elapsed_s) : words.w.waited(seconds(group.marker.pending_s))]);
  }
  if (group.epoch !== null) facts.push([words.w.epoch, group.epoch]);
  return [titled("would", words.w.would),
    h("p", { class: `saying ${heir ? "" : "warn"}` }, words.would(group)),
    h("dl", { class: "facts" }, facts.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, String(value)))))];
}

export function operation(run, words) {
  if (!run) return [titled("run", words.w.run), h("p", { class: "none" }, words.w.noRuns)];
  const under = run.outcome === null || run.outcome === undefined;
  const level = levelOfRun(run);
  return [titled("run", under ? words.w.runNow : words.w.runLast),
    h("p", { class: "headline" },
      h("strong", {}, words.of(run.kind)), " ", h("span", { class: "id" }, run.id),
      h("span", { class: `outcome ${level}` }, sign(level), " ", under ? words.of("running") : words.of(run.outcome))),
    h("p", { class: "fine" }, words.course(run), " · ", words.w.by(words.of(run.requested_by)),
      under ? null : ` · ${moment(run.ended_utc || run.started_utc)}`),
    budget(run, words),
    run.lost_possible ? h("p", { class: "bad" }, sign("bad"), " ", words.w.lossAccepted) : null,
    run.adoptions ? h("p", { class: "warn" }, words.w.adoptions(run.adoptions)) : null,
    run.steps.length ? steps(run, words) : null,
    run.note ? h("p", { class: "detail" }, run.note) : null];
}

function budget(run, words) {
  const promised = words.w.minutes(Math.round(run.rto_s / 60));
  const share = Math.min(100, (100 * run.elapsed_s) / run.rto_s);
  const level = share < 50 ? "good" : share < 100 ? "warn" : "bad";
  const text = words.w.budget(percent(run.elapsed_s, run.rto_s), promised);
  return h("div", { class: "budget" },
    h("span", { class: "elapsed" }, seconds(run.elapsed_s)),
    h("progress", { class: level, max: run.rto_s, value: Math.min(run.elapsed_s, run.rto_s), "aria-label": text }),
    h("span", { class: "fine" }, text));
}

export function steps(run, words) {
  return h("ol", { class: "steps" }, run.steps.map((step) => {
    const level = levelOfStep(step);
    const facts = [...(step.note ? [step.note] : []), ...step.facts];
    return h("li", { class: `step ${step.status} ${level}`, "data-key": step.id },
      sign(level),
      h("div", {},
        h("span", { class: "what" }, words.step(step.title)),
        h("span", { class: "unseen" }, ` ${words.of(step.status)}`),
        step.point_of_no_return ? h("span", { class: "pill" }, words.w.noReturn) : null,
        facts.length ? h("ul", {}, facts.map((fact) => h("li", {}, words.fact(fact)))) : null),
      h("span", { class: "took" }, step.elapsed_s === null ? "" : seconds(step.elapsed_s),
        h("small", {}, words.w.atMost(seconds(step.worst_s)))));
  }));
}

export function alarms(group, words) {
  const seen = new Map();
  for (const alarm of group.alarms) {
    const key = `${alarm.code} ${alarm.message}`;
    seen.set(key, { alarm, count: (seen.get(key)?.count ?? 0) + 1 });
  }
  const item = ({ alarm, count }) => {
    const level = alarm.severity === "alarm" ? "bad" : alarm.severity === "warning" ? "warn" : "quiet";
    return h("li", { class: level, "data-key": `${alarm.code} ${alarm.message}` },
      h("div", {}, sign(level), " ", h("strong", {}, words.alarm(alarm.code)), count > 1 ? ` ${words.w.times(count)}` : "",
        h("button", { type: "button", "data-do": "runbook", "data-code": alarm.code }, words.w.runbook)),
      h("p", {}, alarm.message),
      alarm.remedy ? h("p", { class: "remedy" }, alarm.remedy) : null);
  };
  const list = [...seen.values()];
  return [titled("alarms", words.w.alarms, list.length ? h("span", { class: "count" }, String(list.length)) : null),
    list.length ? h("ul", { class: "alarms" }, list.map(item)) : h("p", { class: "none" }, sign("good"), " ", words.w.noAlarms)];
}

export function history(runs, words) {
  const row = (run) => {
    const level = levelOfRun(run);
    return h("li", { "data-key": run.id }, h("details", {},
      h("summary", {},
        sign(level),
        h("span", { class: "what" }, h("strong", {}, words.of(run.kind)), h("span", { class: "fine" }, ` ${words.course(run)}`)),
        h("span", { class: "took" }, seconds(run.elapsed_s), h("small", {}, moment(run.started_utc)))),
      h("p", { class: "fine" }, `${run.id} · ${words.of(run.outcome ?? "running")} · ${words.w.by(words.of(run.requested_by))}`),
      h("p", { class: "detail" }, run.note || run.reason),
      run.steps.length ? steps(run, words) : null));
  };
  return [titled("history", words.w.history), runs.length ? h("ul", { class: "runs" }, runs.map(row)) : h("p", { class: "none" }, words.w.noRuns)];
}

export function commands(group, words) {
  return [titled("commands", words.w.commands), h("p", { class: "fine" }, words.w.readOnly),
    h("ul", { class: "commands" }, offered(group).map(([, line, next]) =>
      h("li", { class: next ? "next" : "", "data-key": line }, h("code", {}, line),
        h("button", { type: "button", "data-do": "copy", "data-line": line, "aria-label": words.w.copyOf(line) }, words.w.copy))))];
}

// What `/drills` and `/reports` list: a list of objects, or one list a group. Plain values are shown, addresses are links.
export function listing(id, title, found, base) {
  const entries = Array.isArray(found) ? found : Object.values(found).flat();
  const plain = (entry) => Object.entries(entry).filter(([key, value]) => ["string", "number", "boolean"].includes(typeof value) && key !== "url" && key !== "path");
  return [titled(id, title), h("ul", { class: "runs" }, entries.slice(0, 20).map((entry) => {
    if (typeof entry !== "object" || entry === null) return h("li", {}, String(entry));
    const to = entry.url ?? entry.path;
    const text = plain(entry).slice(0, 5).map(([, value]) => String(value)).join(" · ");
    const safe = typeof to === "string" && to.startsWith("/");
    return h("li", {}, safe ? h("a", { href: `${base}${to}` }, text) : text);
  }))];
}
