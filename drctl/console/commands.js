// What a person may type. The page itself changes nothing: a test holds every line against the command line.

export const COMMANDS = {
  init: "drctl init {group}",
  explain: "drctl explain {group}",
  doctor: "drctl doctor {group}",
  follow: "drctl watch {run}",
  approve: "drctl run approve {run}",
  reject: "drctl run reject {run}",
  abort: "drctl run abort {run}",
  resume: "drctl resume {group}",
  pause: "drctl pause {group}",
  switchback: "drctl switchback {group}",
  switchover: "drctl switchover {group} --candidate {heir}",
  failover: "drctl failover {group}",
  rejoin: "drctl rejoin {member}",
  reinit: "drctl reinit {member}",
  history: "drctl history",
  watch: "drctl watch",
};

const ASTRAY = new Set(["stray primary", "fenced", "stopped", "disconnected", "faulty", "demoted"]);

// Of a group as it is now: [name, command, whether it is what one would do next].
export function offered(group) {
  const found = [];
  const offer = (name, next = false, more = {}) => {
    const values = { group: group.name, run: group.run?.id, heir: heir(group), ...more };
    found.push([name, COMMANDS[name].replace(/\{(\w+)\}/g, (_, key) => values[key]), next]);
  };
  if (group.protection === "not initialised") {
    offer("doctor");
    offer("init", true);
    return found;
  }
  if (group.run) {
    offer("follow", true);
    if (group.run.steps.some((step) => step.status === "waiting")) {
      offer("approve", true);
      offer("reject");
    }
    if (!group.run.irrevocable) offer("abort");
  }
  offer("explain", group.protection !== "protected" && !group.run);
  const primary = group.members.find((member) => member.name === group.primary);
  if (group.paused) offer("resume", true);
  if (!group.run && primary?.writable) {
    if (primary.center !== group.home) offer("switchback");
    if (heir(group)) offer("switchover");
  }
  if (group.protection === "down" && !group.run) offer("failover");
  for (const member of group.members) {
    if (member.name === group.primary || !ASTRAY.has(member.state)) continue;
    offer("rejoin", false, { member: member.name });
    offer("reinit", false, { member: member.name });
  }
  if (!group.paused) offer("pause");
  offer("doctor");
  offer("history");
  offer("watch");
  return found;
}

function heir(group) {
  if (group.explanation.heir) return group.explanation.heir;
  const streaming = group.members.filter((member) => member.readable && member.role !== "Satellite");
  return streaming[0]?.name ?? null;
}
