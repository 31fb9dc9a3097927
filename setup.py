"""What pyproject.toml cannot say: playbooks, checks and runbooks stand elsewhere for people, and are part of the package."""

from setuptools import find_packages, setup

setup(
    packages=[*find_packages(include=["drctl*"]), "drctl.checks", "drctl.playbooks", "drctl.runbooks"],
    package_dir={"drctl.checks": "checks", "drctl.playbooks": "playbooks", "drctl.runbooks": "docs/runbooks"},
    package_data={
        "drctl": ["py.typed"],
        "drctl.checks": ["*.yaml"],
        "drctl.console": ["*.html", "*.css", "*.js", "*.svg"],
        "drctl.playbooks": ["*.yaml"],
        "drctl.runbooks": ["*.md"],
    },
)
