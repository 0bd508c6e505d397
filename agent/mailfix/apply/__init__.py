"""Carrying changes out so that nothing is ever lost: journal, transaction, guard, recovery, undo.

Read ``journal`` (what is written down), ``transaction`` (made or taken back), ``store`` (where,
and one at a time), then ``guard``, ``recovery`` and ``undo``.
"""
