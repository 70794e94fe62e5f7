"""syncd keeps a company's Procore data in a SQL database, correct and fresh, for years, unattended.

Glossary (the same words in code, command line, logs, tables and documentation):

- *environment*: one Procore installation, its login URL and its API URL.
- *principal*: who a token speaks for, the app's service account or one consenting user.
- *resource*: one list endpoint of the API, and the one table (plus child tables) that it fills.
- *catalog*: the shipped set of resource definitions, data and not code.
- *job*: what an operator configures: principal, company, projects, resources, schedule; of a job type.
- *partition*: one resource within one scope: company, project, or parent record.
- *page*: one API response of a partition.
- *cursor*: how far a partition has been read, in the source's own terms.
- *run*: one execution of a job, with its counts and outcome.
- *tombstone*: a row whose record has gone from Procore: kept, with the time it went.

One record's walk: YAML becomes settings and jobs (`config`); `app` wires everything once; the engine opens a run,
plans partitions and reads their cursors (`engine.plan`), asks the API for the pages of a partition (`api`), turns
records into rows (`engine.shape`), and `storage` writes rows and cursor in one transaction. The run then closes with
its counts, and an analyst queries the row.
"""

__version__ = "0.1.0"
