// Both languages. What the controller says in English (enumerations, step titles, evidence) is a key here.

import { ALARMS_ZH, EVIDENCE_ZH, STEPS_ZH } from "./words_zh.js";

export const LANGUAGES = ["en", "zh"];
const KEY = "drctl-language";

const WORDS = {
  en: {
    title: "Console", skip: "To the content", language: "中文", languageCode: "zh", languageLabel: "切换到中文",
    toldBy: (center) => `told by ${center}`, asOf: (time) => `as of ${time}`,
    opening: "Asking the controller…", alone: "No controller answers", aloneText: (time) =>
      `What you see is as it was at ${time}. All addresses are asked again, again and again. Databases go on without controllers; nothing is repaired.`,
    aloneNever: "No controller has answered yet; it is asked again and again.",
    lost: (center) => `${center}'s controller is lost`, lostText: "Asking the controllers of the other centers…",
    moved: (from, to, time) => `${from}'s controller was lost at ${time}. This page goes on with ${to}'s.`,
    stuck: (center, age) => `${center}'s controller answers, and its loop has told nothing for ${age}: it hangs`,
    noCoordinator: (center) => `${center}'s controller is without its coordinator (ZooKeeper): databases are shown as they are now, roles and rules as they were. Commits go on, changes wait.`,
    group: "Group", map: "Centers", members: "Members", run: "Operation", runNow: "Under way", runLast: "Latest operation",
    would: "If the primary died now", alarms: "Alarms", history: "History", commands: "Commands", drills: "Drills", reports: "Reports",
    readOnly: "This page only looks. To act, type:", copy: "Copy", copied: "Copied", copyOf: (line) => `Copy ${line}`,
    noAlarms: "None since this controller began", noRuns: "No operation yet", noController: "no controller", leads: "leads", watches: "watches",
    home: "home", behind: (size) => `${size} behind`, level: "up to date", broken: "no stream", async: "async", sync: "sync", satellite: "satellite",
    heir: "Heir", within: "Writes again within", missing: "Needed to go on", lossless: "Nothing lost", notKnown: "not known yet",
    marker: "Last proved commit", waited: (time) => `waiting ${time}`, epoch: "Epoch", rpo: "RPO", rto: "RTO",
    budget: (share, whole) => `${share} of the ${whole} that were promised`, minutes: (count) => `${count} minutes`,
    atMost: (time) => `at most ${time}`, noReturn: "no return from here", fromTo: (from, to) => `${from} → ${to}`,
    by: (who) => `by ${who}`, adoptions: (count) => `taken over by another controller: ${count}`,
    lossAccepted: "An operator accepted that acknowledged commits may be lost", steps: "Steps", runbook: "What to do", close: "Close",
    columns: ["Member", "Center", "Role", "State", "Timeline", "Lag", "RPO"], times: (count) => `×${count}`,
    heads: {
      protected: "Protected", "no spare": "Protected, no spare", blocked: "Commits wait", exposed: "Exposed", down: "No writes",
      "not initialised": "Not initialised", unknown: "Not known",
    },
    mapText: (name, primary) => `Map of the centers: the primary of ${name} is ${primary}; the table below says the same`,
    failover: "Failover", switchover: "Switchover", switchback: "Switchback", evacuate: "Evacuation", syncset: "Sync set change",
    rejoin: "Rejoin", restart: "Restart in place", drill: "Drill",
  },
  zh: {
    title: "控制台", skip: "跳到正文", language: "English", languageCode: "en", languageLabel: "Switch to English",
    toldBy: (center) => `来自${center}`, asOf: (time) => `截至 ${time}`,
    opening: "正在询问控制器……", alone: "没有控制器应答", aloneText: (time) =>
      `所见为 ${time} 的状态。本页持续询问所有地址。没有控制器时数据库照常运行，但不会自动修复。`,
    aloneNever: "尚无控制器应答；本页持续询问。",
    lost: (center) => `与${center}的控制器失去联系`, lostText: "正在询问其他中心的控制器……",
    moved: (from, to, time) => `${from}的控制器于 ${time} 失去联系，本页改由${to}的控制器提供。`,
    stuck: (center, age) => `${center}的控制器有应答，但其主循环已 ${age} 没有更新：它卡住了`,
    noCoordinator: (center) => `${center}的控制器与协调服务（ZooKeeper）失去联系：数据库为当前状态，角色与规则为之前的记录。提交照常，变更等待。`,
    group: "组", map: "数据中心", members: "成员", run: "操作", runNow: "正在进行", runLast: "最近一次操作",
    would: "如果主库此刻失效", alarms: "告警", history: "历史", commands: "命令", drills: "演练", reports: "报告",
    readOnly: "本页只读。要执行操作，请输入：", copy: "复制", copied: "已复制", copyOf: (line) => `复制 ${line}`,
    noAlarms: "自该控制器启动以来没有告警", noRuns: "尚无操作", noController: "无控制器", leads: "主导", watches: "观察",
    home: "归属地", behind: (size) => `落后 ${size}`, level: "已追平", broken: "未复制", async: "异步", sync: "同步", satellite: "卫星站",
    heir: "接任者", within: "预计恢复写入", missing: "需要其中之一恢复", lossless: "不丢数据", notKnown: "尚不清楚",
    marker: "最近一次验证提交", waited: (time) => `已等待 ${time}`, epoch: "纪元", rpo: "RPO", rto: "RTO",
    budget: (share, whole) => `占承诺的 ${whole} 的 ${share}`, minutes: (count) => `${count} 分钟`,
    atMost: (time) => `最多 ${time}`, noReturn: "此步起不可回退", fromTo: (from, to) => `${from} → ${to}`,
    by: (who) => `发起：${who}`, adoptions: (count) => `由其他控制器接管：${count} 次`,
    lossAccepted: "操作员已接受：已确认的提交可能丢失", steps: "步骤", runbook: "处置手册", close: "关闭",
    columns: ["成员", "中心", "角色", "状态", "时间线", "延迟", "RPO"], times: (count) => `×${count}`,
    heads: {
      protected: "已受保护", "no spare": "受保护，无余量", blocked: "提交等待中", exposed: "未受保护", down: "写入中断",
      "not initialised": "尚未初始化", unknown: "状态不明",
    },
    mapText: (name, primary) => `数据中心地图：${name} 的主库是 ${primary}；下表内容相同`,
    Primary: "主库", "Sync Standby": "同步备库", "Quorum Standby": "法定同步备库", Replica: "异步备库", Satellite: "卫星站",
    running: "运行", streaming: "流复制", "catching up": "追赶中", connecting: "连接中", disconnected: "已断开", sealed: "已封存",
    "stray primary": "游离主库", demoted: "已降级", starting: "启动中", stopped: "已停止", fenced: "已隔离", rejoining: "重新加入中",
    refused: "拒绝连接", silent: "无应答", faulty: "故障", unknown: "不明",
    failover: "故障切换", switchover: "计划切换", switchback: "回切", evacuate: "撤离", syncset: "同步集变更", rejoin: "重新加入",
    restart: "原地重启", drill: "演练",
    pending: "待执行", waiting: "等待批准", done: "完成", failed: "失败", skipped: "跳过", degraded: "完成（降级）", rolled_back: "已回退",
    superseded: "被取代", alarm: "告警", warning: "警告", info: "提示", policy: "策略（自动）", exposed: "有风险",
  },
};
export class Words {
  constructor() {
    const asked = new URLSearchParams(location.search).get("lang");
    const kept = localStorage.getItem(KEY);
    const liked = navigator.language.toLowerCase().startsWith("zh") ? "zh" : "en";
    this.set([asked, kept, liked].find((language) => LANGUAGES.includes(language)));
  }

  set(language) {
    this.language = language;
    document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
  }

  turn() {
    this.set(this.w.languageCode);
    localStorage.setItem(KEY, this.language);
  }

  get w() {
    return WORDS[this.language];
  }

  // A word of an enumeration; itself where there is no other.
  of(word) {
    const found = this.w[word];
    return typeof found === "string" ? found : word.replaceAll("_", " ");
  }

  step(title) {
    return this.language === "zh" ? STEPS_ZH[title] ?? title : title;
  }

  // From where to where a run goes; some stay where they are.
  course(run) {
    return run.heir && run.heir !== run.old_primary ? this.w.fromTo(run.old_primary, run.heir) : run.old_primary;
  }

  // What a step proved: `lis-fuyang: sealed at 1:0/20586A0`.
  fact(text) {
    if (this.language !== "zh") return text;
    return EVIDENCE_ZH.reduce((said, [pattern, words]) => said.replace(pattern, words), text);
  }

  alarm(code) {
    return this.language === "zh" ? ALARMS_ZH[code] ?? code : code.replaceAll("_", " ");
  }

  center(center) {
    return this.language === "zh" ? center.label : center.name;
  }

  // Why a group is as protected as it is. The controller's own sentence in English; composed from its facts in Chinese.
  protection(group) {
    if (this.language !== "zh") return group.protection_text;
    const { primary, sync_count: count } = group;
    const streaming = group.members.filter((member) => member.synchronous).map((member) => member.name);
    const gone = group.sync_members.filter((name) => !streaming.includes(name));
    const without = gone.length ? `；${gone.join("、")} 未在复制` : "";
    const held = `每个已确认的提交都在 ${primary} 以及 ${streaming.join("、")} 中的 ${count} 个上`;
    switch (group.protection) {
      case "protected": return held + without;
      case "no spare": return `${held}；再失去一个备库，提交将等待${without}`;
      case "blocked": return `需要 ${count} 个备库，仅 ${streaming.length} 个在复制，提交等待中。已确认的数据不会丢失${without}`;
      case "exposed": return `提交可能只在 ${primary} 上（${group.protection_text}）`;
      case "down": return group.run
        ? `没有成员接受写入；${this.of(group.run.kind)} ${group.run.id} 正在进行`
        : `没有成员接受写入：主库 ${primary} 不可用`;
      case "not initialised": return `${group.name} 尚未由 drctl 保护；请输入 drctl init ${group.name}`;
      default: return "控制器尚未看清该组的状态";
    }
  }

  would(group) {
    const { would, heir, seconds } = group.explanation;
    if (this.language !== "zh") return would;
    if (heir) {
      const within = seconds === null ? "" : `约 ${seconds.toFixed(1)} 秒内`;
      const lost = group.rpo_guaranteed ? "不丢失任何已确认的数据" : "未受保护期间提交的数据可能丢失";
      return `${heir} 将${within}接任，${lost}`;
    }
    if (would.startsWith("a person would be asked")) return `drctl 会请人决定（${would.replace(/^[^:]*: /, "")}）`;
    return `drctl 不会自动切换（${would}）`;
  }
}
