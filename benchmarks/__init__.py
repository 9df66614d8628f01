"""The benchmarks of ringmatch, run by ``ringmatch bench`` from a checkout; no part of the installed packages.

A benchmark is a module with a ``run``; :mod:`benchmarks.suite` lists them, :mod:`benchmarks.report` turns what
they left in ``results/`` into ``docs/benchmarks.md``. Those of pytest-benchmark are in ``tests/benchmarks``.
"""
