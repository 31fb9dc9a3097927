"""What pyproject.toml cannot say: playbooks and checks, which stand at the top for people to read, are part of the package."""

from setuptools import find_packages, setup

setup(
    packages=[*find_packages(include=["drctl*"]), "drctl.checks", "drctl.playbooks"],
    package_dir={"drctl.checks": "checks", "drctl.playbooks": "playbooks"},
    package_data={"drctl": ["py.typed"], "drctl.checks": ["*.yaml"], "drctl.playbooks": ["*.yaml"]},
)
