"""
Taps: how a stage outside this process is observed, one file per AWS service.

A tap sees what a resource accepts without consuming it. What it has to make in the account for that (a queue, a subscription, a
rule) stands in the ledger before it is made, is tagged as the run's, and is taken away when the tap is closed.
"""
