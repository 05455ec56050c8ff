"""
What is known of a deployed stage: lines of CloudWatch Logs and sightings of taps, read as the records that a local stage would have written.

`lines.py` says what one line means, in the text format and (`json_lines.py`) in Lambda's JSON format; `injections.py` knows the lines of
fault injectors; `log_reader.py` puts lines together to invocations, over streams and out of order; `acts.py` notes the
test's own calls, with what `answers.py` reads of them.

`clues.py` finds the ids in all that, and `envelopes.py` AWS's envelopes; `implied.py` makes events of what nobody watched. `correlation.py`
draws the edges, by names, threads and likelihood (`by_name.py`, `by_thread.py`, `by_likelihood.py`), with what `index.py` and `wiring.py` know; `account_wiring.py` asks the account.
`arrangement.py` puts everything in the order of its causes, and `observed_journal.py` is the journal that can be read that way.
"""
