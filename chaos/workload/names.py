"""Chinese names, departments and tests, so that text is UTF-8 all the way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from random import Random

SURNAMES = "王李张刘陈杨黄赵吴周徐孙马朱胡郭何林高罗郑梁谢宋唐许韩冯邓曹彭曾肖田董潘袁蔡蒋余于杜叶程魏苏吕丁任沈"
GIVEN = "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超秀霞平刚桂英华玉兰建国志文斌浩宇轩梓涵雨欣怡佳琪婷欢龙飞鹏晨曦"
DEPARTMENTS = (
    "急诊科", "心内科", "呼吸内科", "消化内科", "肾内科", "内分泌科", "神经内科", "血液科", "普外科", "骨科",
    "泌尿外科", "妇科", "产科", "儿科", "眼科", "耳鼻喉科", "重症医学科", "肿瘤科", "感染科", "体检中心",
)  # fmt: skip
OPERATORS = ("陈静", "沈浩", "叶秀兰", "周建国", "徐敏", "蒋婷", "余磊", "潘晨曦")
REMARKS = ("复查后更正", "标本溶血，重新检测", "仪器校准后复测", "录入错误更正", "临床要求复核", "稀释后复测")

WAITING, TESTING, DONE, INVALID = "待检验", "检验中", "已完成", "无效"


@dataclass(frozen=True, slots=True, kw_only=True)
class TestItem:
    """One thing that a laboratory measures."""

    name: str
    unit: str
    low: float
    high: float

    @property
    def reference_range(self) -> str:
        """The range of the healthy, as a report prints it."""
        return f"{self.low:g}-{self.high:g} {self.unit}"

    def measure(self, random: Random) -> str:
        """A value that is mostly in the range."""
        spread = (self.high - self.low) * 0.3
        return f"{random.uniform(max(0.0, self.low - spread), self.high + spread):.2f}"


ITEMS_OF_TYPE: dict[str, tuple[TestItem, ...]] = {
    "血液": (
        TestItem(name="白细胞计数", unit="10^9/L", low=3.5, high=9.5),
        TestItem(name="红细胞计数", unit="10^12/L", low=4.3, high=5.8),
        TestItem(name="血红蛋白", unit="g/L", low=130, high=175),
        TestItem(name="血小板计数", unit="10^9/L", low=125, high=350),
        TestItem(name="C反应蛋白", unit="mg/L", low=0, high=10),
    ),
    "血清": (
        TestItem(name="葡萄糖", unit="mmol/L", low=3.9, high=6.1),
        TestItem(name="肌酐", unit="μmol/L", low=57, high=97),
        TestItem(name="谷丙转氨酶", unit="U/L", low=9, high=50),
        TestItem(name="总胆固醇", unit="mmol/L", low=2.8, high=5.2),
        TestItem(name="肌钙蛋白I", unit="ng/mL", low=0, high=0.04),
    ),
    "尿液": (
        TestItem(name="尿比重", unit="", low=1.003, high=1.03),
        TestItem(name="尿酸碱度", unit="pH", low=5, high=8),
        TestItem(name="尿微量白蛋白", unit="mg/L", low=0, high=20),
    ),
    "脑脊液": (
        TestItem(name="脑脊液蛋白", unit="g/L", low=0.15, high=0.45),
        TestItem(name="脑脊液葡萄糖", unit="mmol/L", low=2.5, high=4.5),
    ),
}
SAMPLE_TYPES = tuple(ITEMS_OF_TYPE)

INSTRUMENTS: tuple[tuple[str, str, str], ...] = (
    ("XN-9000-01", "全自动血液分析流水线", "朝晖"),
    ("XN-9000-02", "全自动血液分析流水线", "越城"),
    ("XN-3000-01", "全自动血细胞分析仪", "富阳"),
    ("AU5800-01", "全自动生化分析仪", "朝晖"),
    ("AU5800-02", "全自动生化分析仪", "越城"),
    ("BS-2800M-01", "全自动生化分析仪", "富阳"),
    ("I2000-01", "化学发光免疫分析仪", "朝晖"),
    ("CL-8000I-01", "化学发光免疫分析仪", "富阳"),
    ("US-1000-01", "尿液有形成分分析仪", "望江山"),
    ("GEM-5000-01", "血气分析仪", "滨江"),
    ("GEM-5000-02", "血气分析仪", "萧山"),
    ("ACL-TOP-01", "全自动凝血分析仪", "越城"),
)
INSTRUMENT_STATES = ("运行", "质控中", "维护", "停用")

PATIENTS = 2000
"""How many people the generator knows."""


def patient_id(number: int) -> str:
    """The hospital's number of patient `number`."""
    return f"P{number:07d}"


def patient_name(number: int) -> str:
    """The same name for the same patient, everywhere."""
    mixed = number * 2654435761 % 2**32
    surname = SURNAMES[mixed % len(SURNAMES)]
    first = GIVEN[mixed // 64 % len(GIVEN)]
    second = GIVEN[mixed // 4096 % len(GIVEN)] if mixed // 262144 % 3 else ""
    return surname + first + second
