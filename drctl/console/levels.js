// How bad things are, in four steps: good, warn, bad, quiet (not known, or nothing to say).

const MEMBER = { running: "good", streaming: "good", "catching up": "warn", connecting: "warn", starting: "warn", rejoining: "warn", sealed: "warn", unknown: "quiet" };
const GROUP = { protected: "good", "no spare": "warn", "not initialised": "warn", unknown: "quiet" };
const STEP = { done: "good", running: "warn", waiting: "warn", failed: "bad", pending: "quiet", skipped: "quiet" };
const OUTCOME = { done: "good", degraded: "warn", superseded: "quiet", rolled_back: "warn" };
const ORDER = ["good", "quiet", "warn", "bad"];

export const levelOf = (member) => MEMBER[member.state] ?? "bad";
export const levelOfGroup = (group) => GROUP[group.protection] ?? "bad";
export const levelOfStep = (step) => STEP[step.status] ?? "quiet";
export const levelOfRun = (run) => (run.outcome === null || run.outcome === undefined ? "warn" : OUTCOME[run.outcome] ?? "bad");

export function worst(groups) {
  return [...groups].sort((one, other) => ORDER.indexOf(levelOfGroup(other)) - ORDER.indexOf(levelOfGroup(one)))[0];
}
