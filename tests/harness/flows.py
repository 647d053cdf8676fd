"""Parts of flows that several tests are about."""


def kept_and_refused(rows, below):
    """Tasks, of which one completes without its `below` first rows, that broke its contract, and the other fails because of the next `below`."""
    return f"""tasks:
  kept:
    transform: select i as id, i - {below} as n from range({rows}) r(i)
    columns: {{id: bigint unique, n: bigint check (n > 0)}}
    rejects: {{max: 5, to: quarantine}}
  refused:
    transform: select id, n - {below} as n from kept
    columns: {{id: bigint unique, n: bigint check (n > 0)}}
"""
