"""Parameters of jobs that are too long to print.

Snakemake compares the parameters of a job by their `repr`, and prints what it was before and is now where they differ:
kilobytes for a whole config or zoo. These print their size and a digest instead.
"""

import hashlib
import json


class _Long:
    def __repr__(self):
        # a results folder's config.yaml may hold the same keys in another order
        content = json.dumps(self, sort_keys=True, default=repr)
        digest = hashlib.blake2b(content.encode(), digest_size=8).hexdigest()
        return f"<{len(self)} entries, digest {digest}>"


class _LongDict(_Long, dict):
    def __reduce__(self):
        return dict, (dict(self),)


class _LongList(_Long, list):
    def __reduce__(self):
        return list, (list(self),)


def long_param(value):
    """The same dict or list, which prints its size and digest; a job's script receives a plain dict or list."""
    return _LongDict(value) if isinstance(value, dict) else _LongList(value)
