"""`convert-labels ray`: a run on many machines (docs/cluster.md).

`plan` reads what `convert plan --json` says, `schedule` decides what is handed out when and knows nothing of Ray or time, `worker` is one `convert worker`
and its lines, `driver` puts them together on Ray, and `simulation` drives the same scheduler under a clock of its own.
"""
