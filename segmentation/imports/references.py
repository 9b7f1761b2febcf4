"""Finding the accounts and contacts that rows name."""

from segmentation.imports.staging import Run

ACCOUNT_IDS = "import_account_ids"
CONTACT_IDS = "import_contact_ids"

# Headings of the column with the account, where it is not the file's own subject.
ACCOUNT_SYNONYMS = (
    *("account id", "account name", "company", "company name"),
    *("客户", "客户编号", "客户名称", "公司", "公司名称"),
    *("公司名稱", "客戶名稱", "客戶編號"),
)

# An external id counts before names and domains: it is the only one that cannot be shared.
_ACCOUNTS = """
WITH refs AS MATERIALIZED (SELECT DISTINCT {ref} AS ref FROM {rows} s WHERE {ref} <> ''),
exact AS (
    SELECT r.ref, a.id FROM refs r
    JOIN segmentation_account a ON a.source_system = %(system)s AND a.external_id = r.ref
    {staged_exact}
),
merged AS (  -- external ids of accounts that are part of another by now
    SELECT r.ref, m.account_id AS id FROM refs r JOIN segmentation_accountmerge m
    ON m.source_system = %(system)s AND m.external_id = r.ref AND m.undone_at IS NULL AND m.account_id IS NOT NULL
    WHERE r.ref NOT IN (SELECT ref FROM exact)
),
rest AS MATERIALIZED (
    SELECT ref, lower(ref) AS low FROM refs
    WHERE ref NOT IN (SELECT ref FROM exact) AND ref NOT IN (SELECT ref FROM merged)
),
named AS (
    SELECT r.ref, a.id FROM rest r JOIN segmentation_account a ON lower(a.name) = r.low
    UNION SELECT r.ref, a.id FROM rest r JOIN segmentation_account a ON a.domain = r.low
    UNION SELECT r.ref, a.id FROM rest r JOIN
        (SELECT id, unnest(other_names) AS name FROM segmentation_account WHERE other_names <> '{{}}') a
        ON lower(a.name) = r.low
    UNION SELECT r.ref, a.id FROM rest r JOIN
        (SELECT id, unnest(other_domains) AS name FROM segmentation_account WHERE other_domains <> '{{}}') a
        ON lower(a.name) = r.low
    {staged_named}
)
SELECT ref, min(id) AS id, count(DISTINCT id) AS candidates
FROM (
    SELECT ref, id FROM exact UNION ALL SELECT ref, id FROM merged UNION ALL SELECT ref, id FROM named
) f GROUP BY ref
"""

_STAGED_EXACT = "UNION SELECT r.ref, s.id FROM refs r JOIN {rows} s ON s.external_id = r.ref"
_STAGED_NAMED = """
    UNION SELECT r.ref, s.id FROM rest r JOIN {rows} s ON lower(s.name) = r.low
    UNION SELECT r.ref, s.id FROM rest r JOIN {rows} s ON s.domain = r.low AND s.domain <> ''
"""

_CONTACTS = """
WITH refs AS MATERIALIZED (SELECT DISTINCT {ref} AS ref FROM {rows} s WHERE {ref} <> ''),
exact AS MATERIALIZED (
    SELECT r.ref, c.id, c.account_id FROM refs r
    JOIN segmentation_contact c ON c.source_system = %(system)s AND c.external_id = r.ref
),
rest AS MATERIALIZED (
    SELECT ref, lower(ref) AS low FROM refs r WHERE NOT EXISTS (SELECT FROM exact e WHERE e.ref = r.ref)
),
mailed AS (
    SELECT r.ref, min(c.id) AS id, count(*) AS candidates, min(c.account_id) AS account_id
    FROM rest r JOIN segmentation_contact c ON lower(c.email) = r.low GROUP BY r.ref
)
SELECT ref, id, 1::bigint AS candidates, account_id FROM exact  -- one each: external ids are unique in a system
UNION ALL SELECT ref, id, candidates, account_id FROM mailed
"""


def find_accounts(run: Run, ref: str, *, staged: bool = False, table: str = ACCOUNT_IDS) -> None:
    """Make a table of the accounts that a column of the staged rows names: ref, id, candidates.

    By external id, else by name, other name or domain, whatever the case.

    Args:
        run: the import.
        ref: the column, or an expression over the staged rows `s`.
        staged: look among the staged rows too (accounts of the same file, with their ids already given).
        table: what to call the table.
    """
    exact, named = (_STAGED_EXACT, _STAGED_NAMED) if staged else ("", "")
    run.temp(
        table,
        _ACCOUNTS,
        {"system": run.source_system},
        ref=ref,
        staged_exact=exact.format(rows="import_rows"),
        staged_named=named.format(rows="import_rows"),
    )


def find_contacts(run: Run, ref: str) -> None:
    """Make a table of the contacts a column names, by external id or mail: ref, id, candidates, account_id."""
    run.temp(CONTACT_IDS, _CONTACTS, {"system": run.source_system}, ref=ref)
