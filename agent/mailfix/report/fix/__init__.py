"""What ``mailfix fix`` and its companions tell: the questions, the result, the history."""
