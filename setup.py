"""What pyproject.toml cannot say: the playbooks, which stand at the top for people to read, are part of the package."""

from setuptools import find_packages, setup

setup(
    packages=[*find_packages(include=["drctl*"]), "drctl.playbooks"],
    package_dir={"drctl.playbooks": "playbooks"},
    package_data={"drctl": ["py.typed"], "drctl.playbooks": ["*.yaml"]},
)
