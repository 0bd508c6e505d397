"""``mailfix fix`` and its companions: look, choose, carry out, look again.

Read it in this order: ``requirements`` (when nothing may be changed), ``choosing`` (what is to be
done), ``carrying`` (doing it under the guard), ``fixing`` (the command), then ``undoing``,
``waiting`` (confirm, recover) and ``history``. ``dialogue`` is the administrator.
"""
