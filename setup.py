"""The packages, of which the rules are one: the rest is in pyproject.toml."""

from setuptools import find_packages, setup

setup(packages=[*find_packages("agent"), "mailfix.rules"])
