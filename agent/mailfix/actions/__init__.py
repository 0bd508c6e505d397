"""What ``mailfix fix`` can do about findings: one module for each action that rules name.

An action looks at the host and proposes changes, or declines with the reason; it changes nothing.
"""
