"""The packages: all that are found, and the mappings, which stand at the top of the repository."""

from setuptools import find_packages, setup

setup(
    packages=[
        *find_packages(include=["pt_reference", "signbart_port", "signbart_port.*"]),
        "signbart_port.mappings",
    ]
)
