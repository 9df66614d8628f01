"""The naive twin of the deterministic core: ``docs/rules.md`` in plain Python, the oracle of the kernels."""
