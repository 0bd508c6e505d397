"""SPF, DKIM, DMARC, MX: the records of a mail domain, judged as the receiving servers judge them.

Pure but for the questions that are put to a :class:`mailfix.record_set.Lookup`.
"""
