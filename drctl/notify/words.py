"""The Chinese words of what people are told."""

from __future__ import annotations

from collections.abc import Mapping

from drctl.model.playbook import RunKind
from drctl.model.run import Outcome

KINDS_ZH: Mapping[RunKind, str] = {
    RunKind.FAILOVER: "故障切换",
    RunKind.SWITCHOVER: "计划切换",
    RunKind.SWITCHBACK: "回切",
    RunKind.EVACUATE: "中心撤离",
    RunKind.SYNCSET: "同步集调整",
    RunKind.REJOIN: "成员重新加入",
    RunKind.RESTART: "原地重启",
    RunKind.DRILL: "演练",
}

OUTCOMES_ZH: Mapping[Outcome, str] = {
    Outcome.DONE: "完成",
    Outcome.DEGRADED: "完成，但保护降级",
    Outcome.FAILED: "失败",
    Outcome.REFUSED: "被拒绝",
    Outcome.ROLLED_BACK: "已回退",
    Outcome.SUPERSEDED: "被后续操作取代",
}

ALARMS_ZH: Mapping[str, str] = {
    "person_needed": "需要人工决定",
    "rpo_setting": "同步复制设置被改动",
    "rpo_override": "提交级别低于承诺",
    "acked_discarded": "已确认的数据被丢弃",
    "guard": "孤立中心的主库已被隔离停止",
    "run_waits": "操作正在等待人员",
    "budget_exceeded": "操作超出时间预算",
    "run_dropped": "操作由其他控制器接管",
    "configuration": "配置有隐患",
    "audit_chain": "审计链异常",
}
"""By the alarm's code; the code itself where there is none."""
