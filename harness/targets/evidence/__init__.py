"""
What a function's log proves: lines of CloudWatch Logs, read as the records that a local stage would have written.

`lines.py` says what one line means, in the text format and (`json_lines.py`) in Lambda's JSON format; `injections.py` knows the lines of
fault injectors; `log_reader.py` puts lines together to invocations, over streams and out of order. `clues.py` finds the ids in what was
logged and seen, `correlation.py` draws the edges that they prove, and `observed_journal.py` is the journal that can be read that way.
"""
